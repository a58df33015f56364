"""The review queue through real gRPC: orders, filters, leases, skips, and what enters and leaves it."""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.tinysphere.drift.builders import event_message, sample_message, uuid, verdict_message
from tests.tinysphere.drift.conftest import Called
from tests.tinysphere.drift.refusals import invalid, refused
from tests.tinysphere.drift.test_reports import report_events, report_samples
from tests.tinysphere.drift.test_review_settings import update_settings
from tests.tinysphere.drift.test_reviews import reopen, resolve, submit
from tinymlops.v1 import drift_pb2, review_pb2, review_service_pb2
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.device_data import SqlDeviceData

OLDEST, NEWEST = review_pb2.QUEUE_ORDER_OLDEST, review_pb2.QUEUE_ORDER_NEWEST


def ask(called: Called, reviewer: str = "ann", **fields: Any) -> review_service_pb2.LeaseSamplesResponse:
    request = review_service_pb2.LeaseSamplesRequest(reviewer=reviewer, **{"sample_count": 48, **fields})
    return called.reviewing.LeaseSamples(request)


def lease(called: Called, reviewer: str = "ann", **fields: Any) -> list[int]:
    """Numbers of the samples that the reviewer holds now, in order."""
    numbers = {uuid(1000 + number): number for number in range(100)}
    return [numbers[entry.sample.sample_id] for entry in ask(called, reviewer, **fields).leases]


def release(called: Called, *numbers: int, reviewer: str = "ann", skip: bool = False) -> int:
    request = review_service_pb2.ReleaseSamplesRequest(
        reviewer=reviewer, sample_ids=[uuid(1000 + number) for number in numbers], skip=skip
    )
    return int(called.reviewing.ReleaseSamples(request).released_count)


@pytest.fixture
def waiting(called: Called) -> Called:
    """An event with four samples; the third is the least certain, the second the farthest."""
    report_events(called, event_message(1))
    for number, confidence, distance_score in ((1, 0.9, 3.0), (2, 0.7, 9.0), (3, 0.3, 5.0), (4, 0.8, 4.0)):
        report_samples(called, sample_message(number, confidence=confidence, distance_score=distance_score))
    return called


@pytest.mark.parametrize(
    ("order", "numbers"),
    [
        (review_pb2.QUEUE_ORDER_VALUE, [3, 2, 4, 1]),
        (OLDEST, [1, 2, 3, 4]),
        (NEWEST, [4, 3, 2, 1]),
        (review_pb2.QUEUE_ORDER_DISTANCE, [2, 3, 4, 1]),
    ],
)
def test_each_order_puts_its_own_first(waiting: Called, order: int, numbers: Sequence[int]) -> None:
    assert lease(waiting, order=order, sample_count=3) == numbers[:3]
    assert lease(waiting, "bob", order=order) == numbers[3:]


def test_the_settings_say_which_order(waiting: Called) -> None:
    assert lease(waiting, sample_count=0) == [3]
    update_settings(waiting, order=NEWEST)
    assert lease(waiting, "bob", sample_count=0) == [4]


def test_what_a_severe_event_shows_goes_first_whenever_the_event_comes(called: Called) -> None:
    report_events(called, event_message(1, severity=drift_pb2.SEVERITY_CRITICAL))
    report_samples(called, sample_message(1, confidence=0.9, drift_event_id=uuid(2)))
    report_samples(called, sample_message(2, confidence=0.9, drift_event_id=uuid(3)))
    report_samples(called, sample_message(3, confidence=0.9, drift_event_id=uuid(1)))
    assert lease(called, "eve") == [3, 1, 2]
    release(called, 1, 2, 3, reviewer="eve")
    report_events(called, event_message(2, severity=0))
    report_events(called, event_message(3, severity=drift_pb2.SEVERITY_HIGH))
    assert lease(called) == [3, 2, 1]


def test_only_what_is_asked_for_is_handed_out(waiting: Called) -> None:
    report_events(waiting, event_message(2, device_id="camera-2"))
    report_samples(waiting, sample_message(5, device_id="camera-2", drift_event_id=uuid(2)))
    report_samples(waiting, sample_message(6, device_id="camera-2", drift_event_id=""))
    of_device = ask(waiting, device_id="camera-2", order=OLDEST, sample_count=1)
    assert [entry.sample.sample_id for entry in of_device.leases] == [uuid(1005)]
    assert of_device.open_sample_count == 2
    assert ask(waiting, device_id="camera-9").open_sample_count == 0
    assert lease(waiting, "bob", drift_event_id=uuid(1), order=OLDEST) == [1, 2, 3, 4]
    both = ask(waiting, "cid", device_id="camera-1", drift_event_id=uuid(2))
    assert (list(both.leases), both.open_sample_count) == ([], 0)
    assert lease(waiting, device_id="camera-2", drift_event_id=uuid(2)) == [5]
    assert ask(waiting).open_sample_count == 6


def test_asking_again_renews_and_fills_up(waiting: Called) -> None:
    first = ask(waiting, sample_count=1, order=OLDEST)
    assert lease(waiting, "bob", sample_count=1, order=OLDEST) == [2]
    again = ask(waiting, sample_count=2, order=NEWEST)
    assert [entry.sample.sample_id for entry in again.leases] == [uuid(1001), uuid(1004)]
    assert first.leases[0].expire_time.ToDatetime() < again.leases[0].expire_time.ToDatetime()
    assert not again.leases[0].sample.image
    assert again.leases[0].sample.embedding.dimension_count == 2
    assert lease(waiting, "cid") == [3]


def test_what_is_given_back_goes_to_the_next(waiting: Called) -> None:
    assert lease(waiting, order=OLDEST) == [1, 2, 3, 4]
    assert lease(waiting, "bob") == []
    assert release(waiting, 2, reviewer="bob") == 0
    assert release(waiting, 2, 4, 77) == 2
    assert release(waiting, 2, 4) == 0
    assert lease(waiting, "bob", order=OLDEST) == [2, 4]


def test_skipped_samples_come_last_and_only_for_who_skipped_them(waiting: Called) -> None:
    assert lease(waiting, sample_count=2, order=OLDEST) == [1, 2]
    assert release(waiting, 1, 2, skip=True) == 2
    assert lease(waiting, sample_count=3, order=OLDEST) == [3, 4, 1]
    assert lease(waiting, "bob", sample_count=1, order=OLDEST) == [2]
    release(waiting, 2, reviewer="bob")
    release(waiting, 1, 3, 4)
    assert lease(waiting, order=OLDEST) == [1, 3, 4, 2], "only the second is still skipped"


def test_a_judged_sample_leaves_and_its_lease_with_it(waiting: Called) -> None:
    assert lease(waiting, order=OLDEST, sample_count=2) == [1, 2]
    submit(waiting, verdict_message(1))
    left = ask(waiting, order=OLDEST, sample_count=2)
    assert [entry.sample.sample_id for entry in left.leases] == [uuid(1002), uuid(1003)]
    assert left.open_sample_count == 3
    assert release(waiting, 1, skip=True) == 0


def test_a_closed_event_takes_its_samples_out_until_it_opens(waiting: Called) -> None:
    report_samples(waiting, sample_message(5, drift_event_id=""))
    resolve(waiting)
    report_samples(waiting, sample_message(6))
    closed = ask(waiting)
    assert [entry.sample.sample_id for entry in closed.leases] == [uuid(1005)]
    assert closed.open_sample_count == 1
    submit(waiting, verdict_message(5))
    reopen(waiting)
    assert lease(waiting, order=OLDEST) == [1, 2, 3, 4, 6]
    assert ask(waiting, drift_event_id=uuid(1)).open_sample_count == 5


def test_reports_sent_again_enter_once(waiting: Called) -> None:
    report_samples(waiting, sample_message(1), sample_message(5))
    report_samples(waiting, sample_message(1), sample_message(5))
    assert ask(waiting).open_sample_count == 5


def test_a_forgotten_device_leaves_the_queue_with_all_that_was_said_of_it(
    waiting: Called, database: Database
) -> None:
    report_samples(waiting, sample_message(5, device_id="camera-2", drift_event_id=""))
    submit(waiting, verdict_message(1))
    assert lease(waiting, order=OLDEST, sample_count=2) == [2, 3]
    release(waiting, 3, skip=True)
    deleted = SqlDeviceData(database).delete("camera-1")
    gone = ("verdicts", "samples", "queue_entries", "sample_leases", "sample_skips", "queue_sizes")
    assert [deleted[name] for name in gone] == [1, 4, 3, 1, 1, 1]
    assert SqlDeviceData(database).count("camera-1") == {}
    left = ask(waiting)
    assert [entry.sample.sample_id for entry in left.leases] == [uuid(1005)]
    assert left.open_sample_count == 1


def test_wrong_fields_are_named(called: Called) -> None:
    assert refused(lambda: ask(called, "")) == invalid("reviewer")
    assert refused(lambda: ask(called, "x" * 129)) == invalid("reviewer")
    assert refused(lambda: ask(called, sample_count=49)) == invalid("sample_count")
    assert refused(lambda: ask(called, sample_count=-1)) == invalid("sample_count")
    assert refused(lambda: ask(called, order=9)) == invalid("order")
    assert refused(lambda: ask(called, device_id="x" * 129)) == invalid("device_id")
    assert refused(lambda: release(called)) == invalid("sample_ids")
    assert refused(lambda: release(called, *range(49))) == invalid("sample_ids")
    assert refused(lambda: release(called, 1, reviewer="")) == invalid("reviewer")
