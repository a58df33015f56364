"""Moments as whole microseconds since 1970 (UTC): sort keys of pages, and columns that are computed with."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def microseconds(moment: datetime) -> int:
    """An aware moment as a number."""
    return (moment - EPOCH) // MICROSECOND


def moment_of(time_us: int) -> datetime:
    """The moment of a number.

    >>> microseconds(moment_of(1_795_000_000_000_001))
    1795000000000001
    """
    return EPOCH + timedelta(microseconds=time_us)
