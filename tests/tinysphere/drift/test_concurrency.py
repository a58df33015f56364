"""Many callers at once, as several processes over one database."""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from tests.tinysphere.drift.agreeing import assert_backlogs_agree, assert_queue_agrees
from tests.tinysphere.drift.builders import (
    SPACE,
    START,
    HandClock,
    event_record,
    sample_record,
    uuid,
    vector,
    verdict_record,
)
from tinysphere.domain.drift import Decision, Embedding, EventProgress, ReportedSample, Verdict
from tinysphere.domain.feedback import Acknowledgement, FeedbackOutcome
from tinysphere.domain.ids import new_id
from tinysphere.drift.catalogue import Catalogue
from tinysphere.drift.evidence import Evidence
from tinysphere.drift.exchange import FeedbackExchange
from tinysphere.drift.judging import FORGET
from tinysphere.drift.review import Review
from tinysphere.errors import TinySphereError
from tinysphere.storage.blobs_files import FileBlobs
from tinysphere.storage.ports.drift import EventFilter, FeedbackFilter, SampleFilter, VerdictFilter
from tinysphere.storage.sql.backlogs import SqlBacklogStore
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.drift import SqlDriftStore
from tinysphere.storage.sql.review import SqlReviewStore

CALLERS = 6
LAST_S = 180
NAMES = ("bag", "shoe", "coat", "sack", "Boot")


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """What one server process holds; each has its own connections."""

    store: SqlDriftStore
    evidence: Evidence
    review: Review
    catalogue: Catalogue
    exchange: FeedbackExchange


@pytest.fixture
def processes(database_url: str, tmp_path: Path) -> Iterator[Sequence[Process]]:
    databases = [Database(database_url) for _ in range(CALLERS)]
    blobs = FileBlobs(tmp_path / "blobs")
    yield [process(database, blobs) for database in databases]
    for database in databases:
        database.dispose()


def process(database: Database, blobs: FileBlobs) -> Process:
    store = SqlDriftStore(database)
    clock = HandClock()
    return Process(
        store=store,
        evidence=Evidence(store, blobs, clock, arrived=lambda: None),
        review=Review(store, clock, new_id=new_id, feedback_made=lambda: None),
        catalogue=Catalogue(store, clock, new_id=new_id, feedback_made=lambda: None),
        exchange=FeedbackExchange(store, SqlBacklogStore(database), clock),
    )


def at_once(processes: Sequence[Process], call: Callable[[Process, int], Any]) -> Counter[str]:
    """Has every process call at the same moment; counts the reasons of refusals and "taken"."""
    barrier = Barrier(len(processes), timeout=LAST_S)

    def run(index: int) -> str:
        barrier.wait()
        try:
            call(processes[index], index)
        except TinySphereError as error:
            return error.reason
        return "taken"

    with ThreadPoolExecutor(len(processes)) as pool:
        return Counter(pool.map(run, range(len(processes)), timeout=LAST_S))


def report_samples(process: Process, *numbers: int, **changes: Any) -> None:
    samples = [sample_record(number, **changes) for number in numbers]
    process.evidence.report_samples([ReportedSample(sample=sample, image_content=None) for sample in samples])


def verdicts(caller: int, *numbers: int) -> Sequence[Verdict]:
    return [
        verdict_record(100 * caller + number, sample_id=uuid(1000 + number), reviewer=f"reviewer {caller}")
        for number in numbers
    ]


def sequences(process: Process) -> Sequence[int]:
    items = process.store.fetch_feedback("camera-1", after_sequence=0, limit=10_000)
    return [item.sequence for item in items]


def test_one_reviewer_wins_a_sample(processes: Sequence[Process]) -> None:
    report_samples(processes[0], 1)
    results = at_once(processes, lambda process, caller: process.review.submit(verdicts(caller, 1)))
    assert results == {"taken": 1, "SAMPLE_JUDGED": CALLERS - 1}
    assert sequences(processes[0]) == [1]
    assert len(processes[0].store.list_verdicts(VerdictFilter(), after=None, limit=99)) == 1


def test_one_verdict_sent_by_all_counts_once(processes: Sequence[Process]) -> None:
    report_samples(processes[0], 1, 2)
    results = at_once(processes, lambda process, _: process.review.submit(verdicts(0, 1, 2)))
    assert results == {"taken": CALLERS}
    assert sequences(processes[0]) == [1, 2]


def test_one_verdict_id_for_two_samples_is_taken_once(processes: Sequence[Process]) -> None:
    report_samples(processes[0], *range(CALLERS))
    results = at_once(
        processes,
        lambda process, caller: process.review.submit([verdict_record(1, sample_id=uuid(1000 + caller))]),
    )
    assert results == {"taken": 1, "VERDICT_CONFLICT": CALLERS - 1}
    assert sequences(processes[0]) == [1]


def test_a_devices_sequence_has_no_gaps(processes: Sequence[Process]) -> None:
    processes[0].evidence.report_events([event_record(1)])
    report_samples(processes[0], *range(5 * CALLERS))

    def submit_one_by_one(process: Process, caller: int) -> None:
        for number in range(5 * caller, 5 * caller + 5):
            process.review.submit(verdicts(caller, number))

    assert at_once(processes, submit_one_by_one) == {"taken": CALLERS}
    assert sequences(processes[0]) == list(range(1, 5 * CALLERS + 1))
    event = processes[0].store.get_event(uuid(1))
    assert event.progress.verdict_count == event.progress.feedback_count == 5 * CALLERS
    assert len(processes[0].store.list_transitions(uuid(1))) == 1


def test_overlapping_batches_never_block_each_other(processes: Sequence[Process]) -> None:
    for number in range(CALLERS):
        processes[0].evidence.report_events([event_record(number)])
        report_samples(processes[0], number, drift_event_id=uuid(number))
    forwards, backwards = range(CALLERS), range(CALLERS - 1, -1, -1)
    results = at_once(
        processes,
        lambda process, caller: process.review.submit(
            verdicts(caller, *(backwards if caller % 2 else forwards))
        ),
    )
    assert results == {"taken": 1, "SAMPLE_JUDGED": CALLERS - 1}


def test_events_and_samples_are_counted_in_any_order(processes: Sequence[Process]) -> None:
    def report(process: Process, caller: int) -> None:
        for event in range(4):
            if caller % 2:
                process.evidence.report_events([event_record(event)])
            report_samples(process, 10 * event + caller % 3, drift_event_id=uuid(event))

    assert at_once(processes, report) == {"taken": CALLERS}
    events = processes[0].store.list_events(EventFilter(), after=None, limit=99)
    assert [event.progress.sample_count for event in events] == [3] * 4


def test_the_first_dimension_wins(processes: Sequence[Process]) -> None:
    def report(process: Process, caller: int) -> None:
        values = vector(*[0.5] * (caller + 1))
        embedding = Embedding(values=values, dimension_count=caller + 1, feature_space=SPACE)
        report_samples(process, caller, embedding=embedding)

    assert at_once(processes, report) == {"taken": 1, "INVALID_FIELD": CALLERS - 1}
    (sample,) = processes[0].store.list_samples(SampleFilter(), after=None, limit=99)
    report_samples(processes[0], 50, embedding=sample.embedding)


def test_a_first_final_answer_wins(processes: Sequence[Process]) -> None:
    processes[0].evidence.report_events([event_record(1)])
    report_samples(processes[0], 1)
    processes[0].review.submit(verdicts(0, 1))
    (item,) = processes[0].store.fetch_feedback("camera-1", after_sequence=0, limit=9)
    answer = rejected(item.feedback_id)

    def acknowledge(process: Process, caller: int) -> None:
        process.exchange.acknowledge("camera-1", [replace(answer, reason=f"from {caller}")])

    assert at_once(processes, acknowledge) == {"taken": CALLERS}
    event = processes[0].store.get_event(uuid(1))
    assert event.progress.acknowledged_feedback_count == 1
    changes = processes[0].store.list_transitions(uuid(1))
    assert [change.to_state.value for change in changes] == ["IN_REVIEW", "RESOLVED"]


def test_counts_are_exact_whatever_people_and_devices_do_at_once(
    processes: Sequence[Process], database: Database
) -> None:
    processes[0].evidence.report_events([event_record(1), event_record(2)])
    report_samples(processes[0], *range(8))
    report_samples(processes[0], *range(8, 12), drift_event_id=uuid(2))
    expected = {"SAMPLE_JUDGED", "NOTHING_TO_WITHDRAW", "DRIFT_EVENT_CLOSED", "LABEL_NOT_FOUND"}

    def work(process: Process, caller: int) -> None:
        rng = random.Random(caller)
        for step in range(20):
            try:
                do_something(process, rng, f"reviewer {caller % 3}", 1000 * caller + step)
            except TinySphereError as error:
                assert error.reason in expected, error

    assert at_once(processes, work) == {"taken": CALLERS}
    store, reading = processes[0].store, SqlReviewStore(database)
    found = store.list_samples(SampleFilter(), after=None, limit=999)
    items = [item for _, item in store.list_feedback(FeedbackFilter(), after=None, limit=9_999)]
    given = [entry for _, entry in store.list_verdicts(VerdictFilter(), after=None, limit=9_999)]
    events = {sample.sample_id: sample.drift_event_id for sample in found}
    for number in (1, 2):
        progress = store.get_event(uuid(number)).progress
        of_event = [sample for sample in found if sample.drift_event_id == uuid(number)]
        told = [item for item in items if item.drift_event_id == uuid(number)]
        assert progress == EventProgress(
            sample_count=len(of_event),
            judged_sample_count=sum(sample.judgement is not None for sample in of_event),
            verdict_count=sum(events[verdict.sample_id] == uuid(number) for verdict in given),
            feedback_count=len(told),
            acknowledged_feedback_count=sum(item.done for item in told),
        )
    judged = Counter(sample.judgement.label for sample in found if sample.judgement is not None)
    counts = {label.name: label.sample_count for label in reading.list_labels(after=None, limit=99)}
    assert {name: count for name, count in counts.items() if count} == {
        name: count for name, count in judged.items() if name
    }
    newest = {item.sample_id: item.judgement for item in reversed(items)}
    for sample in found:
        known = newest.get(sample.sample_id, FORGET)
        assert known == (sample.judgement or FORGET), "the device ends up knowing what holds"
    assert_queue_agrees(database)
    assert_backlogs_agree(database)


def do_something(process: Process, rng: random.Random, reviewer: str, number: int) -> None:
    """One thing that a reviewer or a device does."""
    action = rng.random()
    if action < 0.08:
        process.catalogue.rename(rng.choice(NAMES), rng.choice(NAMES), reviewer=reviewer)
    elif action < 0.2:
        items, _ = process.exchange.fetch("camera-1", after_sequence=0, limit=5)
        process.exchange.acknowledge("camera-1", [rejected(item.feedback_id) for item in items])
    elif action < 0.25:
        report_samples(process, rng.randrange(20, 30), predicted_label=rng.choice(NAMES))
    else:
        chosen = rng.sample(range(12), 3)
        decision = rng.choice((Decision.NEW_LABEL, Decision.WITHDRAWN))
        label = rng.choice(NAMES) if decision.names_label else ""
        facts = {"reviewer": reviewer, "decision": decision, "label": label}
        process.review.submit(
            [
                verdict_record(10 * number + place, sample_id=uuid(1000 + sample), **facts)
                for place, sample in enumerate(chosen[: 1 + number % 3])
            ]
        )


def rejected(feedback_id: str) -> Acknowledgement:
    return Acknowledgement(
        feedback_id=feedback_id,
        outcome=FeedbackOutcome.REJECTED,
        reason="no room",
        effect=None,
        acknowledge_time=START,
    )
