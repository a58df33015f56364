"""Grouping is durable: killed at any moment, or done by several at once, every sample ends in one group."""

import multiprocessing
import signal
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
import sqlalchemy as sa

from tests.tinysphere.drift.builders import HandClock, sample_record, uuid
from tests.tinysphere.drift.test_lookalikes import kinds
from tinysphere.domain.sample_groups import GroupingStep
from tinysphere.drift.grouping import grouper as grouping
from tinysphere.drift.grouping.grouper import Grouper
from tinysphere.storage.ports.sample_groups import GroupFilter
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.device_data import SqlDeviceData
from tinysphere.storage.sql.drift import SqlDriftStore
from tinysphere.storage.sql.sample_groups import SqlSampleGroupStore
from tinysphere.storage.sql.tables_drift import samples
from tinysphere.storage.sql.tables_sample_groups import (
    sample_group_devices,
    sample_group_events,
    sample_group_spaces,
    sample_groups,
)

COUNT = 300
BATCH_SIZE = 20
WAIT_S = 60


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "BATCH_SIZE", BATCH_SIZE)


def fill(database: Database, count: int = COUNT) -> None:
    made, _ = kinds(count, kind_count=20)
    with SqlDriftStore(database).transaction() as transaction:
        transaction.fix_dimensions({made[0].embedding.feature_space: made[0].embedding.dimension_count})
        transaction.claim_events({uuid(number): f"camera-{number}" for number in range(3)})
        transaction.add_samples(
            [
                sample_record(
                    number,
                    device_id=f"camera-{number % 3}",
                    drift_event_id=uuid(number % 3),
                    embedding=one.embedding,
                    neighbours=one.neighbours,
                )
                for number, one in enumerate(made)
            ]
        )


def grouper_of(database: Database) -> Grouper:
    return Grouper(SqlSampleGroupStore(database), HandClock(), grouped=lambda: None)


def group_all(database: Database) -> None:
    grouper = grouper_of(database)
    while grouper.group_next():
        pass


def members(database: Database) -> Mapping[str, str | None]:
    with database.reading() as connection:
        query = sa.select(samples.c.sample_id, samples.c.group_id)
        return {row.sample_id: row.group_id for row in connection.execute(query)}


def counted(database: Database, table: sa.Table, *keys: str) -> dict[tuple[str, ...], int]:
    """What a table of counts says."""
    with database.reading() as connection:
        query = sa.select(*(table.c[key] for key in keys), table.c.sample_count)
        return {tuple(row[:-1]): row[-1] for row in connection.execute(query)}


def recounted(database: Database, *keys: str) -> dict[tuple[str, ...], int]:
    """The same from the samples themselves."""
    columns = [samples.c[key] for key in keys]
    with database.reading() as connection:
        query = sa.select(*columns, sa.func.count()).where(samples.c.group_id.is_not(None)).group_by(*columns)
        return {tuple(row[:-1]): row[-1] for row in connection.execute(query)}


def assert_counts_agree(database: Database) -> None:
    assert counted(database, sample_groups, "group_id") == recounted(database, "group_id")
    devices = counted(database, sample_group_devices, "group_id", "device_id")
    assert devices == recounted(database, "group_id", "device_id")
    events = counted(database, sample_group_events, "group_id", "drift_event_id")
    assert events == recounted(database, "group_id", "drift_event_id")
    (total,) = counted(database, sample_group_spaces).values()
    assert total == sum(recounted(database, "group_id").values())


class DiesBeforeStoring(SqlSampleGroupStore):
    """A process that ends when a step is made and not yet stored."""

    def take_step(self, step: GroupingStep, *, now: datetime) -> bool:
        raise SystemExit


def test_what_was_not_stored_is_done_again_and_alike(database: Database) -> None:
    fill(database, 100)
    grouper = grouper_of(database)
    assert grouper.group_next()
    with pytest.raises(SystemExit):
        Grouper(DiesBeforeStoring(database), HandClock(), grouped=lambda: None).group_next()
    assert sum(group is not None for group in members(database).values()) == BATCH_SIZE
    group_all(database)
    broken = members(database)
    assert_counts_agree(database)
    with database.transaction() as connection:
        for table in (sample_group_events, sample_group_devices, sample_groups, sample_group_spaces):
            connection.execute(sa.delete(table))
        connection.execute(sa.update(samples).values(group_id=None, group_similarity=None))
    group_all(database)
    assert members(database) == broken


def test_a_step_that_fails_leaves_nothing_in_memory(database: Database) -> None:
    fill(database, 60)

    class FailsOnce(SqlSampleGroupStore):
        failed = False

        def take_step(self, step: GroupingStep, *, now: datetime) -> bool:
            if not self.failed:
                self.failed = True
                raise OSError("no space left")
            return super().take_step(step, now=now)

    grouper = Grouper(FailsOnce(database), HandClock(), grouped=lambda: None)
    with pytest.raises(OSError, match="no space"):
        grouper.group_next()
    while grouper.group_next():
        pass
    assert_counts_agree(database)
    assert None not in members(database).values()


def _group_in_a_process(url: str, begun: "multiprocessing.synchronize.Event") -> None:
    grouping.BATCH_SIZE = BATCH_SIZE
    database = Database(url)
    grouper = grouper_of(database)
    while grouper.group_next():
        begun.set()


def test_killed_processes_delay_and_lose_nothing(database: Database, database_url: str) -> None:
    fill(database)
    context = multiprocessing.get_context("spawn")
    for _ in range(2):
        begun = context.Event()
        process = context.Process(target=_group_in_a_process, args=(database_url, begun))
        process.start()
        assert begun.wait(WAIT_S)
        process.kill()
        process.join(WAIT_S)
        assert process.exitcode in (-signal.SIGKILL, 0)
        assert_counts_agree(database)
    group_all(database)
    assert None not in members(database).values()
    assert_counts_agree(database)


def test_groupers_at_the_same_time_take_turns(database: Database) -> None:
    fill(database, 200)
    gate = threading.Barrier(3)

    def work(_: int) -> None:
        gate.wait()
        group_all(database)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, range(3)))
    assert None not in members(database).values()
    assert_counts_agree(database)


def test_only_what_a_group_needs_is_read_again(database: Database) -> None:
    """Memory follows the store: what a grouper knows already is not asked for."""
    fill(database, 100)

    class Counting(SqlSampleGroupStore):
        read_count = 0

        def newest_centres(self, feature_space: str, *, limit: int) -> Sequence:  # type: ignore[type-arg]  # passed on
            self.read_count += 1
            return super().newest_centres(feature_space, limit=limit)

    store = Counting(database)
    grouper = Grouper(store, HandClock(), grouped=lambda: None)
    while grouper.group_next():
        pass
    assert store.read_count == 1


def test_groups_forget_a_deleted_device(database: Database) -> None:
    fill(database, 100)
    grouper = grouper_of(database)
    for _ in range(4):
        assert grouper.group_next()
    SqlDeviceData(database).delete("camera-1")
    assert_counts_agree(database)
    store = SqlSampleGroupStore(database)
    groups = store.list_groups(GroupFilter(), after=None, limit=100)
    left = members(database)
    for group in groups:
        assert group.open_sample_count == group.sample_count
        assert "camera-1" not in group.device_ids
        assert set(group.representative_sample_ids) <= left.keys()
    while grouper.group_next():  # what it remembers is not what is stored any more
        pass
    assert None not in members(database).values()
    assert_counts_agree(database)
    SqlDeviceData(database).delete("camera-0")
    SqlDeviceData(database).delete("camera-2")
    assert store.list_groups(GroupFilter(), after=None, limit=1) == []
