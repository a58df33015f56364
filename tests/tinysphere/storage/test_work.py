"""Packages as work, and what processing leaves behind, over each database."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
import sqlalchemy as sa

from tests.tinysphere.storage.records import at, descriptor, profile
from tinysphere.domain.ids import new_id
from tinysphere.domain.packages import (
    EntryKind,
    ManifestEntry,
    Package,
    PackageState,
    PackageStep,
    StepState,
)
from tinysphere.errors import SupersededError
from tinysphere.storage.ports.packages import Claim
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.devices import SqlDeviceStore
from tinysphere.storage.sql.package_files import SqlFileStore
from tinysphere.storage.sql.packages import SqlPackageStore
from tinysphere.storage.sql.tables_ingestion import package_files
from tinysphere.storage.sql.work import SqlWorkStore

LEASE_S = 30
KINDS = [EntryKind.DRIFT_EVENTS, EntryKind.SAMPLES]


@pytest.fixture
def packages(database: Database) -> SqlPackageStore:
    SqlDeviceStore(database).register(profile(), at(0))
    return SqlPackageStore(database)


@pytest.fixture
def work(packages: SqlPackageStore, database: Database) -> SqlWorkStore:
    return SqlWorkStore(database)


def claimed(work: SqlWorkStore, now: datetime) -> Claim:
    claim = try_claim(work, now)
    assert claim is not None
    return claim


def try_claim(work: SqlWorkStore, now: datetime) -> Claim | None:
    found = try_claims(work, now, 1)
    return found[0] if found else None


def try_claims(work: SqlWorkStore, now: datetime, limit: int) -> Sequence[Claim]:
    return work.claim(new_id(), now=now, lease_time=at((now - at(0)).total_seconds() + LEASE_S), limit=limit)


def seen(packages: SqlPackageStore, package: Package) -> Package:
    found = packages.get(package.descriptor.package_id)
    assert found is not None
    return found


def test_work_is_taken_in_the_order_it_came_and_once(packages: SqlPackageStore, work: SqlWorkStore) -> None:
    put = [packages.put(descriptor(), at(number)) for number in range(3)]
    assert try_claim(work, at(-1)) is None
    taken = [claimed(work, at(5)) for _ in range(3)]
    assert [claim.package.descriptor for claim in taken] == [package.descriptor for package in put]
    assert all(claim.package.state is PackageState.PROCESSING for claim in taken)
    assert try_claim(work, at(5)) is None


def test_what_is_due_is_listed_and_taken_by_its_id(packages: SqlPackageStore, work: SqlWorkStore) -> None:
    ids = [packages.put(descriptor(), at(number)).descriptor.package_id for number in range(3)]
    assert list(work.due(at(5), 2)) == ids[:2]
    (taken,) = work.claim(new_id(), now=at(5), lease_time=at(5 + LEASE_S), package_id=ids[1])
    assert taken.package.descriptor.package_id == ids[1]
    assert work.claim(new_id(), now=at(6), lease_time=at(40), package_id=ids[1]) == ()
    assert work.claim(new_id(), now=at(1), lease_time=at(40), package_id=ids[2]) == ()
    assert list(work.due(at(6), 9)) == [ids[0], ids[2]]
    assert list(work.due(at(5 + LEASE_S), 9)) == [ids[0], ids[2], ids[1]]


def test_workers_never_take_the_same_package(packages: SqlPackageStore, work: SqlWorkStore) -> None:
    put = {packages.put(descriptor(), at(0)).descriptor.package_id for _ in range(20)}
    with ThreadPoolExecutor(8) as pool:
        taken = [claim for claim in pool.map(lambda _: try_claim(work, at(1)), range(40)) if claim]
    ids = [claim.package.descriptor.package_id for claim in taken]
    assert len(ids) == len(set(ids))
    while claim := try_claim(work, at(1)):  # what a rival's lock hid is found by the next look
        ids.append(claim.package.descriptor.package_id)
    assert sorted(ids) == sorted(put)


def test_a_dead_workers_package_is_taken_again_when_its_lease_ends(
    packages: SqlPackageStore, work: SqlWorkStore
) -> None:
    packages.put(descriptor(), at(0))
    dead = claimed(work, at(1))
    work.add_steps(dead, KINDS)
    assert try_claim(work, at(1 + LEASE_S - 1)) is None
    heir = claimed(work, at(1 + LEASE_S))
    assert (heir.crash_count, heir.delay_count) == (1, 0)
    assert [step.kind for step in heir.package.steps] == KINDS
    for write in (
        lambda: work.renew(dead, lease_time=at(99)),
        lambda: work.record_steps(dead, [PackageStep(kind=EntryKind.SAMPLES, state=StepState.FAILED)]),
        lambda: work.put_off(dead, due_time=at(99)),
        lambda: work.complete(dead, [], now=at(99)),
        lambda: work.refuse(dead, reason="ARCHIVE_CORRUPT", error="no"),
    ):
        with pytest.raises(SupersededError) as caught:
            write()
        assert caught.value.reason == "CLAIM_LOST"
    assert seen(packages, heir.package) == heir.package


def test_a_renewed_claim_is_kept(packages: SqlPackageStore, work: SqlWorkStore) -> None:
    packages.put(descriptor(), at(0))
    claim = claimed(work, at(1))
    work.renew(claim, lease_time=at(100))
    assert try_claim(work, at(99)) is None


def test_work_put_off_is_due_later(packages: SqlPackageStore, work: SqlWorkStore) -> None:
    packages.put(descriptor(), at(0))
    work.put_off(claimed(work, at(1)), due_time=at(50))
    assert try_claim(work, at(49)) is None
    again = claimed(work, at(50))
    assert (again.crash_count, again.delay_count) == (0, 1)
    work.put_off(again, due_time=at(60))
    assert seen(packages, again.package).state is PackageState.COMMITTED
    assert claimed(work, at(60)).delay_count == 2


def test_a_package_is_processed_when_every_step_succeeded(
    packages: SqlPackageStore, work: SqlWorkStore
) -> None:
    package = packages.put(descriptor(), at(0))
    claim = claimed(work, at(1))
    work.add_steps(claim, KINDS)
    done = [
        PackageStep(kind=kind, state=StepState.SUCCEEDED, record_count=7, attempt_count=1) for kind in KINDS
    ]
    work.record_steps(claim, done[:1])
    work.complete(claim, done[1:], now=at(9))
    after = seen(packages, package)
    assert (after.state, after.process_time) == (PackageState.PROCESSED, at(9))
    assert after.steps == done
    assert try_claim(work, at(999)) is None


def test_a_failed_step_shows_and_is_retried_alone(packages: SqlPackageStore, work: SqlWorkStore) -> None:
    package = packages.put(descriptor(), at(0))
    claim = claimed(work, at(1))
    work.add_steps(claim, KINDS)
    good = PackageStep(kind=KINDS[0], state=StepState.SUCCEEDED, record_count=7, attempt_count=1)
    bad = PackageStep(kind=KINDS[1], state=StepState.FAILED, error="INVALID_FIELD: no", attempt_count=1)
    work.record_steps(claim, [good, bad])
    work.complete(claim, [], now=at(9))
    failed = seen(packages, package)
    assert (failed.state, failed.process_time, failed.error_reason) == (PackageState.FAILED, None, "")
    assert failed.steps == [good, bad]
    assert try_claim(work, at(999)) is None
    retried = packages.retry(package.descriptor.package_id, at(10))
    assert retried is not None
    assert retried.state is PackageState.COMMITTED
    assert retried.steps == [good, PackageStep(kind=KINDS[1], attempt_count=1)]
    assert claimed(work, at(10)).package.descriptor == package.descriptor


def test_a_refused_archive_says_why_and_can_be_retried(packages: SqlPackageStore, work: SqlWorkStore) -> None:
    package = packages.put(descriptor(), at(0))
    work.refuse(claimed(work, at(1)), reason="ARCHIVE_BOMB", error="too large inside")
    failed = seen(packages, package)
    assert (failed.state, failed.error_reason, failed.error) == (
        PackageState.FAILED,
        "ARCHIVE_BOMB",
        "too large inside",
    )
    assert failed.steps == []
    retried = packages.retry(package.descriptor.package_id, at(10))
    assert retried is not None
    assert (retried.state, retried.error_reason, retried.error) == (PackageState.COMMITTED, "", "")


def test_a_failed_step_keeps_the_count_of_what_it_took(packages: SqlPackageStore, work: SqlWorkStore) -> None:
    package = packages.put(descriptor(), at(0))
    claim = claimed(work, at(1))
    work.add_steps(claim, KINDS)
    taken = PackageStep(kind=KINDS[0], state=StepState.PENDING, record_count=7)
    work.record_steps(claim, [taken])
    failed = PackageStep(kind=KINDS[0], state=StepState.FAILED, error="no", attempt_count=1)
    work.record_steps(claim, [failed])
    assert seen(packages, package).steps[0].record_count == 7


def test_files_are_remembered_once(packages: SqlPackageStore, database: Database) -> None:
    package = packages.put(descriptor(), at(0)).descriptor
    file = ManifestEntry(path="images/1.png", kind=EntryKind.PREDICTION_IMAGES, sha256="0" * 64, size_bytes=9)
    for _ in range(2):
        SqlFileStore(database).add(package, file)
    with database.reading() as connection:
        files = connection.execute(sa.select(package_files)).all()
    assert [(row.path, row.kind, row.size_bytes) for row in files] == [
        ("images/1.png", "PREDICTION_IMAGES", 9)
    ]
