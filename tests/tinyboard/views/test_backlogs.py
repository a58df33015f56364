"""How feedback fares, in words."""

from datetime import timedelta

from tests.tinyboard.builders import NOW, backlog
from tinyboard.views import backlogs


def test_devices_that_need_somebody_come_first() -> None:
    found = [
        backlog("a"),
        backlog("b", state="STUCK"),
        backlog("c", state="REJECTING"),
        backlog("d", state=""),
    ]
    assert [one.device_id for one in backlogs.sorted_by_need(found)] == ["c", "b", "d", "a"]
    assert backlogs.needing(found) == 2


def test_counts_and_ages_are_told() -> None:
    one = backlog(state="STUCK", waiting_count=3, deferred_count=2, oldest_waiting_time=NOW)
    told = backlogs.line(one, NOW + timedelta(days=2))
    assert ":orange-badge[Stuck]" in told
    assert "3 waiting · 2 kept for later" in told
    assert "oldest 2 d ago" in told


def test_the_reason_of_the_device_is_text() -> None:
    assert "\\[x\\]" in backlogs.explanation(backlog(state="REJECTING", last_reason="[x]"))
