"""Several packages claimed, and ended, at once, over each database."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import sqlalchemy as sa

from tests.tinysphere.storage.records import DEVICE_ID, at, descriptor, profile
from tinysphere.domain.ids import new_id
from tinysphere.domain.moments import microseconds
from tinysphere.domain.packages import (
    EntryKind,
    LogRecord,
    MetricPoint,
    Package,
    PackageState,
    PackageStep,
    StepState,
)
from tinysphere.errors import InvalidRequestError
from tinysphere.storage.ports.packages import SMALL_BYTES, Claim, WholePackage
from tinysphere.storage.ports.telemetry import DeviceRecords, LogFilter
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.devices import SqlDeviceStore
from tinysphere.storage.sql.packages import SqlPackageStore
from tinysphere.storage.sql.tables_telemetry import metric_points
from tinysphere.storage.sql.telemetry_reader import SqlTelemetryReader
from tinysphere.storage.sql.work import SqlWorkStore

LEASE_S = 30


@pytest.fixture
def packages(database: Database) -> SqlPackageStore:
    SqlDeviceStore(database).register(profile(), at(0))
    return SqlPackageStore(database)


@pytest.fixture
def work(packages: SqlPackageStore, database: Database) -> SqlWorkStore:
    return SqlWorkStore(database, metric_names_max=2)


def put(packages: SqlPackageStore, count: int) -> list[str]:
    return [packages.put(descriptor(), at(number)).descriptor.package_id for number in range(count)]


def claimed(
    work: SqlWorkStore, now_s: float, limit: int = 16, package_id: str | None = None
) -> Sequence[Claim]:
    return work.claim(
        new_id(), now=at(now_s), lease_time=at(now_s + LEASE_S), limit=limit, package_id=package_id
    )


def ids_of(claims: Sequence[Claim]) -> list[str]:
    return [claim.package.descriptor.package_id for claim in claims]


def seen(packages: SqlPackageStore, package_id: str) -> Package:
    found = packages.get(package_id)
    assert found is not None
    return found


def whole(claim: Claim, *points: tuple[str, float], line: str = "") -> WholePackage:
    """A package that holds these values, and a line of log."""
    steps = [
        PackageStep(kind=kind, state=StepState.SUCCEEDED, record_count=count, attempt_count=1)
        for kind, count in ((EntryKind.METRICS, len(points)), (EntryKind.LOGS, 1))
    ]
    records = DeviceRecords(
        device_id=DEVICE_ID,
        points=[MetricPoint(name, microseconds(at(0)), value) for name, value in points],
        logs=[LogRecord(log_time=at(0), level="INFO", logger="tests", message=line)] if line else [],
    )
    return WholePackage(claim=claim, steps=steps, records=records)


def values(database: Database) -> list[float]:
    with database.reading() as connection:
        return sorted(connection.scalars(sa.select(metric_points.c.value)))


def test_small_packages_are_claimed_together_longest_due_first(
    packages: SqlPackageStore, work: SqlWorkStore
) -> None:
    ids = put(packages, 5)
    assert ids_of(claimed(work, 9, limit=3)) == ids[:3]
    assert ids_of(claimed(work, 9, package_id=ids[4])) == [ids[4], ids[3]]
    assert claimed(work, 9) == ()


def test_a_large_package_is_claimed_alone(packages: SqlPackageStore, work: SqlWorkStore) -> None:
    large = replace(descriptor(), size_bytes=SMALL_BYTES + 1)
    packages.put(large, at(-1))
    ids = put(packages, 2)
    assert ids_of(claimed(work, 9)) == [large.package_id]
    packages.put(another := replace(large, package_id=new_id()), at(5))
    assert ids_of(claimed(work, 9)) == ids
    assert ids_of(claimed(work, 9)) == [another.package_id]


def test_what_a_worker_died_of_is_claimed_alone(packages: SqlPackageStore, work: SqlWorkStore) -> None:
    ids = put(packages, 3)
    assert len(claimed(work, 9)) == 3
    later = 9 + LEASE_S
    again = [claimed(work, later) for _ in ids]
    assert sorted(ids_of(claims) for claims in again) == sorted([package_id] for package_id in ids)
    assert [claims[0].crash_count for claims in again] == [1, 1, 1]


def test_what_is_given_back_is_due_as_if_never_claimed(packages: SqlPackageStore, work: SqlWorkStore) -> None:
    ids = put(packages, 3)
    work.give_back(claimed(work, 9)[1:], now=at(9))
    assert seen(packages, ids[1]).state is PackageState.COMMITTED
    again = claimed(work, 9)
    assert set(ids_of(again)) == set(ids[1:])
    assert [(claim.crash_count, claim.delay_count) for claim in again] == [(0, 0), (0, 0)]


def test_whole_packages_end_together(
    packages: SqlPackageStore, work: SqlWorkStore, database: Database
) -> None:
    ids = put(packages, 2)
    ends = [
        whole(claim, ("a", number), ("b", -number), line=f"tab\there \\ and\nline {number}")
        for number, claim in enumerate(claimed(work, 9), start=1)
    ]
    assert work.complete_whole(ends, now=at(9)) == []
    for package_id, end in zip(ids, ends, strict=True):
        after = seen(packages, package_id)
        assert (after.state, after.process_time) == (PackageState.PROCESSED, at(9))
        assert after.steps == end.steps
    assert values(database) == [-2, -1, 1, 2]
    lines = SqlTelemetryReader(database).logs(LogFilter(), after=None, limit=9)
    assert [one.record.message for one in lines] == [f"tab\there \\ and\nline {number}" for number in (2, 1)]
    assert list(work.due(at(999), 9)) == []


def test_what_somebody_else_holds_now_is_left_out(
    packages: SqlPackageStore, work: SqlWorkStore, database: Database
) -> None:
    ids = put(packages, 2)
    ends = [whole(claim, ("a", number)) for number, claim in enumerate(claimed(work, 9))]
    heir = claimed(work, 9 + LEASE_S, package_id=ids[0])
    assert ids_of(heir) == ids[:1]
    assert ids_of(work.complete_whole(ends, now=at(40))) == ids[:1]
    assert [seen(packages, package_id).state for package_id in ids] == [
        PackageState.PROCESSING,
        PackageState.PROCESSED,
    ]
    assert seen(packages, ids[0]).steps == []
    assert values(database) == [1]


def test_names_of_metrics_are_bounded_and_known_ones_go_on(
    packages: SqlPackageStore, work: SqlWorkStore, database: Database
) -> None:
    put(packages, 3)
    first, second, third = claimed(work, 9)
    work.complete_whole([whole(first, ("a", 1), ("b", 2))], now=at(9))
    with pytest.raises(InvalidRequestError) as caught:
        work.complete_whole([whole(second, ("c", 3)), whole(third, ("a", 4))], now=at(9))
    assert caught.value.reason == "TOO_MANY_METRICS"
    assert "TINYSPHERE_METRIC_NAMES_MAX" in str(caught.value)
    assert values(database) == [1, 2]
    work.complete_whole([whole(third, ("a", 4))], now=at(9))
    assert values(database) == [1, 2, 4]
