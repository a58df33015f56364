"""When quiet hours end, by the clock on the wall; how long the sender waits."""

from datetime import UTC, datetime, timedelta

import pytest

from tinysphere.domain.notifications import QuietHours
from tinysphere.notification.sender import Patience

BERLIN = "Europe/Berlin"


@pytest.mark.parametrize(
    ("start", "end", "zone", "moment", "expected"),
    [
        ("22:00", "06:00", "UTC", "2026-11-22T21:59", "2026-11-22T21:59"),
        ("22:00", "06:00", "UTC", "2026-11-22T22:00", "2026-11-23T06:00"),
        ("22:00", "06:00", "UTC", "2026-11-23T05:59", "2026-11-23T06:00"),
        ("22:00", "06:00", "UTC", "2026-11-23T06:00", "2026-11-23T06:00"),
        ("12:00", "13:30", "UTC", "2026-11-23T12:15", "2026-11-23T13:30"),
        ("12:00", "13:30", "UTC", "2026-11-23T14:00", "2026-11-23T14:00"),
        ("22:00", "06:00", "Asia/Kathmandu", "2026-11-22T17:00", "2026-11-23T00:15"),
        # Clocks go forward at 2:00 in Berlin, so the night is an hour shorter; in October an hour longer.
        ("22:00", "06:00", BERLIN, "2026-03-28T21:00", "2026-03-29T04:00"),
        ("22:00", "06:00", BERLIN, "2026-10-24T20:00", "2026-10-25T05:00"),
        # 2:30 does not exist that night: what follows it is 3:30.
        ("22:00", "02:30", BERLIN, "2026-03-29T00:00", "2026-03-29T01:30"),
    ],
)
def test_quiet_hours_end_by_the_clock_on_the_wall(
    start: str, end: str, zone: str, moment: str, expected: str
) -> None:
    quiet = QuietHours(start_minute=_minute(start), end_minute=_minute(end), time_zone=zone)
    assert quiet.end_after(_moment(moment)) == _moment(expected)


def test_waiting_doubles_up_to_a_bound_and_is_jittered_in_full() -> None:
    patience = Patience()
    longest = [patience.delay(attempt_count, 1.0) for attempt_count in (1, 2, 3, 50)]
    assert longest == [
        timedelta(seconds=10),
        timedelta(seconds=20),
        timedelta(seconds=40),
        timedelta(minutes=30),
    ]
    assert patience.delay(3, 0.25) == timedelta(seconds=10)
    assert patience.delay(3, 0.0) == timedelta(0)


def _minute(text: str) -> int:
    hour, minute = text.split(":")
    return 60 * int(hour) + int(minute)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
