"""Leases as time passes, with several reviewers at once, and beside verdicts that do not decide."""

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier

import pytest
import sqlalchemy as sa

from tests.tinysphere.drift.builders import START, event_record, sample_record, uuid, verdict_record
from tinysphere.domain.drift import Sample, SampleState
from tinysphere.domain.queue import (
    OVERTAKING_TIME,
    UNCERTAINTY_SHARE,
    QueueFilter,
    arrival_value,
    group_value,
)
from tinysphere.domain.review import QueueOrder
from tinysphere.storage.ports.queue import LeaseRequest
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.drift import SqlDriftStore
from tinysphere.storage.sql.queue import SqlQueueStore
from tinysphere.storage.sql.queue_steps import SqlQueueSteps
from tinysphere.storage.sql.tables_drift import samples as samples_table
from tinysphere.storage.sql.tables_queue import queue_entries

REVIEWERS = 6
LAST_S = 60
MINUTE = timedelta(minutes=1)
ALL = QueueFilter()


def asking(
    reviewer: str = "ann", *, limit: int = 48, now: datetime = START, **changes: object
) -> LeaseRequest:
    facts: dict[str, object] = {"wanted": ALL, "order": QueueOrder.OLDEST, "speaker_limit": 1}
    return LeaseRequest(
        reviewer=reviewer,
        limit=limit,
        now=now,
        expire_time=now + MINUTE,
        **{**facts, **changes},  # type: ignore[arg-type]  # by name
    )


def add(store: SqlDriftStore, *samples: Sample, now: datetime = START) -> None:
    with store.transaction() as transaction:
        transaction.fix_dimensions({sample.model.feature_space: 2 for sample in samples})
        transaction.claim_events({sample.drift_event_id: sample.device_id for sample in samples})
        created = transaction.add_samples(samples)
        transaction.queue.refresh_samples(created, now=now)


def numbers(queue: SqlQueueStore, request: LeaseRequest) -> list[int]:
    known = {uuid(1000 + number): number for number in range(2000)}
    return [known[lease.sample.sample_id] for lease in queue.lease(request)]


@pytest.fixture
def queue(database: Database) -> SqlQueueStore:
    return SqlQueueStore(database)


def test_a_lease_ends_by_itself(store: SqlDriftStore, queue: SqlQueueStore) -> None:
    add(store, sample_record(1), sample_record(2))
    assert numbers(queue, asking(limit=1)) == [1]
    almost = START + MINUTE - timedelta(microseconds=1)
    assert numbers(queue, asking("bob", now=almost)) == [2]
    assert numbers(queue, asking("cid", now=START + MINUTE)) == [1]
    assert queue.release("ann", [uuid(1001)], skip=False, now=START + MINUTE) == 0
    assert numbers(queue, asking("ann", now=START + MINUTE)) == []


def test_a_renewed_lease_lasts_longer(store: SqlDriftStore, queue: SqlQueueStore) -> None:
    add(store, sample_record(1))
    for steps in range(5):
        now = START + steps * MINUTE / 2
        assert numbers(queue, asking(now=now)) == [1]
        assert numbers(queue, asking("bob", now=now)) == []


def test_what_waits_longer_gains_on_what_teaches_more(store: SqlDriftStore, queue: SqlQueueStore) -> None:
    add(store, sample_record(1, confidence=1.0), sample_record(2, confidence=0.5))
    add(store, sample_record(3, confidence=0.0), now=START + OVERTAKING_TIME / 8)
    add(store, sample_record(4, confidence=0.0), now=START + OVERTAKING_TIME)
    much_later = START + 2 * OVERTAKING_TIME
    assert numbers(queue, asking(order=QueueOrder.VALUE, now=much_later)) == [3, 2, 1, 4]


def test_groups_and_age_weigh_as_stated() -> None:
    assert [group_value(count) for count in (0, 1, 2, 3, 4, 64, 10_000)] == pytest.approx(
        [0, 0, 0.25 / 6, 0.25 / 6, 0.5 / 6, 0.25, 0.25]
    )
    assert arrival_value(START) - arrival_value(START + OVERTAKING_TIME) == pytest.approx(1)


@pytest.fixture
def queues(database_url: str) -> Iterator[Sequence[SqlQueueStore]]:
    """One for each server; every one has its own connections."""
    databases = [Database(database_url) for _ in range(REVIEWERS)]
    yield [SqlQueueStore(database) for database in databases]
    for database in databases:
        database.dispose()


@pytest.mark.parametrize("order", [QueueOrder.VALUE, QueueOrder.NEWEST])
def test_no_sample_goes_to_two_reviewers(
    store: SqlDriftStore, queues: Sequence[SqlQueueStore], order: QueueOrder
) -> None:
    count = 40 * REVIEWERS
    add(store, *(sample_record(number) for number in range(count)))
    barrier = Barrier(REVIEWERS, timeout=LAST_S)

    def take(index: int) -> list[int]:
        """Everything this reviewer can get, five more each time."""
        taken: set[int] = set()
        barrier.wait()
        for step in range(1, 11):
            held = numbers(queues[index], asking(f"reviewer {index}", limit=min(48, 5 * step), order=order))
            assert taken <= set(held), "what is held stays"
            taken |= set(held)
        return sorted(taken)

    with ThreadPoolExecutor(REVIEWERS) as pool:
        taken = list(pool.map(take, range(REVIEWERS), timeout=LAST_S))
    handed_out = Counter(number for numbers in taken for number in numbers)
    assert set(handed_out.values()) == {1}
    assert len(handed_out) == count, "nothing was left although all asked for more"


def test_reviewers_and_verdicts_at_once_never_wait_for_each_other(
    store: SqlDriftStore, database: Database, queues: Sequence[SqlQueueStore]
) -> None:
    add(store, *(sample_record(number) for number in range(60)))
    barrier = Barrier(REVIEWERS, timeout=LAST_S)

    def review(index: int) -> list[str]:
        judged = []
        barrier.wait()
        while leases := queues[index].lease(asking(f"reviewer {index}", limit=3)):
            ids = [lease.sample.sample_id for lease in leases]
            queues[index].release(f"reviewer {index}", ids[2:], skip=index % 2 == 0, now=START)
            close(database, ids[:2])
            judged += ids[:2]
        return judged

    with ThreadPoolExecutor(REVIEWERS) as pool:
        judged = [key for part in pool.map(review, range(REVIEWERS), timeout=LAST_S) for key in part]
    assert sorted(judged) == sorted(set(judged))
    assert len(judged) + queues[0].count(ALL) == 60


def close(database: Database, sample_ids: Sequence[str]) -> None:
    """Has samples be judged, as far as the queue is concerned."""
    with database.transaction() as connection:
        these = samples_table.c.sample_id.in_(sample_ids)
        connection.execute(sa.select(samples_table.c.sample_id).where(these).with_for_update())
        connection.execute(sa.update(samples_table).where(these).values(state=SampleState.JUDGED.value))
        SqlQueueSteps(connection).refresh_samples(sample_ids, now=START)


def test_who_spoke_is_not_asked_again(store: SqlDriftStore, queue: SqlQueueStore) -> None:
    add(store, sample_record(1), sample_record(2))
    several = {"speaker_limit": 3}
    assert numbers(queue, asking(**several)) == [1, 2]
    with store.transaction() as transaction:
        given = verdict_record(1)
        transaction.add_verdicts([given], {given.sample_id: uuid(1)})
        transaction.queue.end_leases([given])
    assert numbers(queue, asking("bob", **several)) == [1]
    assert numbers(queue, asking(**several)) == [2]


def test_a_dispute_waits_for_who_decides_it(
    store: SqlDriftStore, queue: SqlQueueStore, database: Database
) -> None:
    add(store, sample_record(1))
    given = [verdict_record(1), verdict_record(2, sample_id=uuid(1001), reviewer="bob", label="shoe")]
    with store.transaction() as transaction:
        transaction.add_verdicts(given, {uuid(1001): uuid(1)})
    with database.transaction() as connection:
        connection.execute(sa.update(samples_table).values(disagree_time=START))
    assert numbers(queue, asking("cid", speaker_limit=2)) == []
    assert numbers(queue, asking("cid", speaker_limit=3)) == [1], "one more is asked since"
    assert queue.release("cid", [uuid(1001)], skip=False, now=START) == 1
    assert numbers(queue, asking("bob", speaker_limit=None)) == [], "has spoken"
    assert numbers(queue, asking("eve", speaker_limit=None)) == [1]


def test_sizes_follow_what_enters_and_leaves(
    store: SqlDriftStore, database: Database, queue: SqlQueueStore
) -> None:
    add(
        store,
        *(sample_record(number, device_id=f"camera-{number % 2}", drift_event_id="") for number in range(5)),
    )
    add(store, event_sample := sample_record(9, device_id="camera-0", drift_event_id=uuid(2)))
    assert queue.count(ALL) == 6
    assert queue.count(QueueFilter(device_id="camera-0")) == 4
    assert queue.count(QueueFilter(drift_event_id=uuid(2))) == 1
    close(database, [uuid(1000), event_sample.sample_id])
    close(database, [uuid(1000)])
    assert [queue.count(QueueFilter(device_id=f"camera-{index}")) for index in range(2)] == [2, 2]
    assert queue.count(QueueFilter(drift_event_id=uuid(2))) == 0
    with store.transaction() as transaction:
        transaction.claim_events({uuid(3): "camera-0"})
        transaction.lock_events({uuid(3)})
        transaction.add_event(event_record(3))
        transaction.queue.rank_event(event_record(3))
    assert queue.count(ALL) == 4


def test_a_sample_gains_as_its_group_grows(
    store: SqlDriftStore, database: Database, queue: SqlQueueStore
) -> None:
    """Four look-alikes that the model is sure of overtake one that it is less sure of, step by step."""
    add(store, sample_record(0, confidence=0.85), *(sample_record(n, confidence=1.0) for n in range(1, 5)))
    assert first(queue) == 0
    join(database, [1], size=1)
    join(database, [2], size=2)
    assert first(queue) == 0
    join(database, [3, 4], size=4)
    assert numbers(queue, asking(order=QueueOrder.VALUE))[:4] == [4, 3, 2, 1]
    values = values_of(database)
    assert values[1] == pytest.approx(values[4])
    assert values[1] - values[0] == pytest.approx(group_value(4) - UNCERTAINTY_SHARE * 0.15)


def first(queue: SqlQueueStore) -> int:
    (number,) = numbers(queue, asking(order=QueueOrder.VALUE, limit=1))
    queue.release("ann", [uuid(1000 + number)], skip=False, now=START)
    return number


def join(database: Database, joined: Sequence[int], *, size: int) -> None:
    """Has samples join a group, as far as the queue is concerned."""
    ids = [uuid(1000 + number) for number in joined]
    with database.transaction() as connection:
        these = samples_table.c.sample_id.in_(ids)
        connection.execute(sa.update(samples_table).where(these).values(group_id="alike"))
        SqlQueueSteps(connection).rank_groups({"alike": ids}, {"alike": size})


def values_of(database: Database) -> list[float]:
    with database.reading() as connection:
        query = sa.select(queue_entries.c.value).order_by(queue_entries.c.sample_id)
        return list(connection.scalars(query))
