"""Many callers at once, as several processes over one database."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

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
from tinysphere.domain.drift import Embedding, ReportedSample, Verdict
from tinysphere.domain.feedback import Acknowledgement, FeedbackOutcome
from tinysphere.domain.ids import new_id
from tinysphere.drift.evidence import Evidence
from tinysphere.drift.exchange import FeedbackExchange
from tinysphere.drift.review import Review
from tinysphere.errors import TinySphereError
from tinysphere.storage.blobs_files import FileBlobs
from tinysphere.storage.ports.drift import EventFilter, SampleFilter, VerdictFilter
from tinysphere.storage.sql.backlogs import SqlBacklogStore
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.drift import SqlDriftStore

CALLERS = 6
LAST_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """What one server process holds; each has its own connections."""

    store: SqlDriftStore
    evidence: Evidence
    review: Review
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
    answer = Acknowledgement(
        feedback_id=item.feedback_id,
        outcome=FeedbackOutcome.REJECTED,
        reason="",
        effect=None,
        acknowledge_time=START,
    )

    def acknowledge(process: Process, caller: int) -> None:
        process.exchange.acknowledge("camera-1", [replace(answer, reason=f"from {caller}")])

    assert at_once(processes, acknowledge) == {"taken": CALLERS}
    event = processes[0].store.get_event(uuid(1))
    assert event.progress.acknowledged_feedback_count == 1
    changes = processes[0].store.list_transitions(uuid(1))
    assert [change.to_state.value for change in changes] == ["IN_REVIEW", "RESOLVED"]
