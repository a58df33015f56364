"""How feedback fares on each device: the rule, and what is counted through real gRPC."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from tests.tinysphere.drift.builders import (
    START,
    answered,
    applied,
    effect_record,
    event_message,
    sample_message,
    uuid,
    verdict_message,
)
from tests.tinysphere.drift.conftest import Called
from tests.tinysphere.drift.refusals import refused
from tests.tinysphere.drift.test_reports import report_events, report_samples
from tests.tinysphere.drift.test_reviews import acknowledge, fetch, submit
from tinymlops.v1 import feedback_pb2, feedback_service_pb2
from tinysphere.domain.backlogs import BacklogState, FeedbackBacklog
from tinysphere.domain.feedback import Acknowledgement, FeedbackOutcome
from tinysphere.storage.sql.backlogs import CONTACT_STEP, SqlBacklogStore
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.tables_backlogs import feedback_backlogs

REJECTED = feedback_pb2.FEEDBACK_OUTCOME_REJECTED
DEFERRED = feedback_pb2.FEEDBACK_OUTCOME_DEFERRED
DAY = timedelta(days=1)
WAITING = FeedbackBacklog(device_id="camera-1", waiting_count=1, oldest_waiting_time=START)


def answer(outcome: FeedbackOutcome, reason: str = "", moment: datetime = START) -> Acknowledgement:
    effect = effect_record() if outcome is FeedbackOutcome.APPLIED else None
    return Acknowledgement(
        feedback_id=uuid(1), outcome=outcome, reason=reason, effect=effect, acknowledge_time=moment
    )


@pytest.mark.parametrize(
    ("backlog", "state"),
    [
        (FeedbackBacklog(device_id="camera-1"), BacklogState.FLOWING),
        (WAITING, BacklogState.FLOWING),  # it was never heard of since: away, not stuck
        (replace(WAITING, contact_time=START), BacklogState.STUCK),
        (replace(WAITING, contact_time=START - DAY), BacklogState.FLOWING),
        (replace(WAITING, oldest_deferred=True), BacklogState.STUCK),
        (replace(WAITING, oldest_waiting_time=START + DAY, contact_time=START + DAY), BacklogState.FLOWING),
        (replace(WAITING, contact_time=START, recent_outcomes="AR"), BacklogState.REJECTING),
        (replace(WAITING, recent_outcomes="AAR"), BacklogState.FLOWING),
        (replace(WAITING, recent_outcomes="R"), BacklogState.REJECTING),
    ],
)
def test_the_state_follows_from_what_was_counted(backlog: FeedbackBacklog, state: BacklogState) -> None:
    assert backlog.state(START + DAY + timedelta(seconds=1)) is state


def test_only_the_last_twenty_answers_count() -> None:
    backlog = FeedbackBacklog(device_id="camera-1", waiting_count=60)
    for _ in range(30):
        backlog = backlog.answered(None, answer(FeedbackOutcome.REJECTED, "no room"))
    for done in range(1, 12):
        assert backlog.state(START) is BacklogState.REJECTING, done
        backlog = backlog.answered(None, answer(FeedbackOutcome.APPLIED))
    assert backlog.state(START) is BacklogState.FLOWING
    assert (backlog.applied_count, backlog.rejected_count, backlog.waiting_count) == (11, 30, 19)
    assert backlog.last_reason == "no room"


def test_a_deferred_item_is_counted_once() -> None:
    deferred = answer(FeedbackOutcome.DEFERRED, "too few")
    backlog = WAITING.answered(None, deferred).answered(deferred, deferred)
    assert (backlog.waiting_count, backlog.deferred_count, backlog.last_reason) == (1, 1, "too few")
    done = backlog.answered(deferred, answer(FeedbackOutcome.APPLIED))
    assert (done.waiting_count, done.deferred_count, done.applied_count) == (0, 0, 1)


def list_backlogs(called: Called, **fields: Any) -> feedback_service_pb2.ListFeedbackBacklogsResponse:
    return called.feedback.ListFeedbackBacklogs(feedback_service_pb2.ListFeedbackBacklogsRequest(**fields))


@pytest.fixture
def fed(called: Called) -> Called:
    """Three items for camera-1, one for camera-2 that was made before, and one for camera-3 that is done."""
    for number, device_id in ((1, "camera-2"), (2, "camera-1"), (3, "camera-3")):
        report_events(called, event_message(number, device_id=device_id))
    places = {4: "camera-2", 1: "camera-1", 2: "camera-1", 3: "camera-1", 5: "camera-3"}
    for number, device_id in places.items():
        report_samples(called, sample_message(number, device_id=device_id, drift_event_id=""))
    for numbers in ((4,), (1, 2, 3), (5,)):
        submit(called, *(verdict_message(number) for number in numbers))
    (item,) = fetch(called, "camera-3")
    acknowledge(called, applied(item.feedback_id), device_id="camera-3")
    return called


def test_what_devices_answer_is_counted(fed: Called) -> None:
    first, second, third = fetch(fed)
    acknowledge(fed, answered(first.feedback_id, DEFERRED, "too few"))
    acknowledge(
        fed,
        applied(first.feedback_id),
        answered(second.feedback_id, REJECTED, "unusable"),
        applied(first.feedback_id),
    )
    acknowledge(
        fed, answered(second.feedback_id, DEFERRED, "again"), answered(third.feedback_id, DEFERRED, "late")
    )
    backlogs = {backlog.device_id: backlog for backlog in list_backlogs(fed).backlogs}
    mine = backlogs["camera-1"]
    assert (mine.waiting_count, mine.deferred_count) == (1, 1)
    assert (mine.applied_count, mine.rejected_count, mine.last_reason) == (1, 1, "late")
    assert mine.state == feedback_pb2.BACKLOG_STATE_REJECTING
    assert mine.oldest_waiting_time == third.create_time
    assert mine.HasField("acknowledge_time")
    assert not backlogs["camera-3"].HasField("oldest_waiting_time")
    assert not backlogs["camera-2"].HasField("acknowledge_time")


def test_who_waits_longest_comes_first_page_by_page(fed: Called) -> None:
    found, token = [], ""
    while True:
        page = list_backlogs(fed, page_size=1, page_token=token)
        found += [backlog.device_id for backlog in page.backlogs]
        token = page.next_page_token
        if not token:
            break
    assert found == ["camera-2", "camera-1", "camera-3"]
    assert refused(lambda: list_backlogs(fed, page_token="x")).reason == "INVALID_PAGE_TOKEN"
    assert refused(lambda: list_backlogs(fed, page_size=501)).field == "page_size"


def test_a_device_with_new_feedback_moves_behind_those_that_wait(fed: Called) -> None:
    report_samples(fed, sample_message(6, device_id="camera-3", drift_event_id=""))
    submit(fed, verdict_message(6))
    backlogs = list_backlogs(fed).backlogs
    assert [backlog.device_id for backlog in backlogs] == ["camera-2", "camera-1", "camera-3"]
    assert (backlogs[2].waiting_count, backlogs[2].applied_count) == (1, 1)


def test_asking_for_feedback_is_a_contact_that_is_rarely_written(fed: Called, database: Database) -> None:
    store = SqlBacklogStore(database)
    later = START + timedelta(days=2)
    soon, next_step = later + CONTACT_STEP / 2, later + CONTACT_STEP
    for moment, kept in ((later, later), (soon, later), (next_step, next_step)):
        store.note_contact("camera-2", now=moment)
        assert contact_of(database, "camera-2") == kept
    store.note_contact("camera-9", now=later)
    (longest,) = store.page(after=None, limit=1)
    assert (longest.device_id, longest.state(later)) == ("camera-2", BacklogState.STUCK)
    fetch(fed, "camera-1")
    assert contact_of(database, "camera-1") is not None


def contact_of(database: Database, device_id: str) -> object:
    query = sa.select(feedback_backlogs.c.contact_time).where(feedback_backlogs.c.device_id == device_id)
    with database.reading() as connection:
        return connection.execute(query).scalar_one()
