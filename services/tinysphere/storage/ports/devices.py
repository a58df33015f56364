"""What the ingestion service needs of a store of devices."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple, Protocol

from tinysphere.domain.devices import Device, DeviceEdit, DeviceProfile, Heartbeat, Mode, WaitingWork


class HeartbeatAnswer(NamedTuple):
    """What a device learns from its heartbeat; ``mode`` is None when the server holds none."""

    waiting_work: WaitingWork
    mode: Mode | None


class DeviceStore(Protocol):
    """Each method is one transaction."""

    def register(self, profile: DeviceProfile, now: datetime) -> Device:
        """Create or update a device; a mode of None keeps the stored one.

        A name, and labels, that it registered before as well keep what people made of them since.
        """

    def edit(self, edit: DeviceEdit) -> Device | None:
        """Store what people decided. None: unknown device."""

    def record_heartbeat(self, heartbeat: Heartbeat, now: datetime) -> HeartbeatAnswer | None:
        """Take counters and status, unless a newer sequence of that boot is known. None: unknown device."""

    def get(self, device_id: str) -> Device | None:
        """One device."""

    def page(self, labels: Mapping[str, str], *, after: str | None, limit: int) -> list[Device]:
        """Devices that carry all ``labels``, by id, beyond the id ``after``."""

    def announce(self, waiting_work: Mapping[str, WaitingWork]) -> list[str]:
        """Raise marks; returns ids that are unknown, sorted."""
