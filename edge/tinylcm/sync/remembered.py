"""What a device remembers of its servers between two starts: names of values in the outbox."""

from tinylcm.ports import Outbox
from tinylcm.records import Mode

REGISTERED = "registered_mode"
"""The mode that the server last asked for; present once the server knows the device."""

SKEW = "clock_skew_s"
"""How far the device's clock was ahead of the server's at the last contact, in seconds."""


def registered_mode(outbox: Outbox, configured: Mode) -> Mode:
    """Returns the mode the server last asked for, or the configured one."""
    return Mode.__members__.get(outbox.value(REGISTERED) or "", configured)
