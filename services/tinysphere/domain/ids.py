"""Ids the server makes."""

import secrets
from datetime import UTC, datetime
from uuid import UUID

_VERSION = 7
_VARIANT = 0b10


def new_id(now: datetime | None = None) -> str:
    """Make a UUIDv7 (RFC 9562, section 5.7): 48 bits of milliseconds, then 74 random bits.

    Args:
        now: Aware moment the id carries; the present one when None.
    """
    unix_ms = int((now or datetime.now(UTC)).timestamp() * 1000)
    random_a, random_b = secrets.randbits(12), secrets.randbits(62)
    return str(UUID(int=unix_ms << 80 | _VERSION << 76 | random_a << 64 | _VARIANT << 62 | random_b))
