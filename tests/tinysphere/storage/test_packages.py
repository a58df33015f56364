"""The stores of packages and uploads, over each database."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.tinysphere.storage.records import DEVICE_ID, at, descriptor, profile, upload
from tinysphere.domain.packages import (
    PackageDescriptor,
    PackageFormat,
    PackageState,
    Upload,
    UploadState,
)
from tinysphere.errors import ConflictError, ExhaustedError, NotFoundError, PreconditionError
from tinysphere.storage.blobs_files import FileBlobs
from tinysphere.storage.ports.packages import PackageFilter
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.devices import SqlDeviceStore
from tinysphere.storage.sql.package_contents import PackageContents
from tinysphere.storage.sql.package_puts import PackagePut
from tinysphere.storage.sql.packages import SqlPackageStore
from tinysphere.storage.sql.uploads import SqlUploadStore

ALL = PackageFilter()


@pytest.fixture
def packages(database: Database) -> SqlPackageStore:
    devices = SqlDeviceStore(database)
    devices.register(profile(), at(0))
    devices.register(profile(device_id="camera-2"), at(0))
    return SqlPackageStore(database)


@pytest.fixture
def uploads(packages: SqlPackageStore, database: Database) -> SqlUploadStore:
    return SqlUploadStore(database)


def opened(uploads: SqlUploadStore, package: PackageDescriptor, **changes: object) -> Upload:
    return uploads.open(package, upload(package, **changes), quota_bytes=1000, now=at(1))


def test_a_package_is_put_once(packages: SqlPackageStore) -> None:
    package = descriptor()
    assert packages.find(package) is None
    first = packages.put(package, at(1))
    assert first.state is PackageState.COMMITTED
    assert (first.descriptor, first.receive_time, first.commit_time) == (package, at(1), at(1))
    assert packages.put(package, at(2)) == first == packages.find(package) == packages.get(package.package_id)


@pytest.mark.parametrize(
    "change",
    [
        {"sha256": "0" * 64},
        {"size_bytes": 8},
        {"device_id": "camera-2"},
        {"format": PackageFormat.ZIP},
    ],
)
def test_an_id_belongs_to_its_content(packages: SqlPackageStore, change: dict[str, object]) -> None:
    package = descriptor()
    packages.put(package, at(1))
    for method in (packages.find, lambda other: packages.put(other, at(2))):
        with pytest.raises(ConflictError) as caught:
            method(replace(package, **change))
        assert caught.value.reason == "PACKAGE_CONFLICT"


def test_unknown_devices_have_no_packages(packages: SqlPackageStore, uploads: SqlUploadStore) -> None:
    package = descriptor(device_id="stranger")
    for method in (
        lambda: packages.find(package),
        lambda: packages.put(package, at(1)),
        lambda: opened(uploads, package),
    ):
        with pytest.raises(NotFoundError) as caught:
            method()
        assert caught.value.reason == "DEVICE_NOT_FOUND"
    assert packages.page(ALL, after=None, limit=9) == []


def test_packages_are_a_contact(packages: SqlPackageStore, database: Database) -> None:
    packages.put(descriptor(), at(77))
    device = SqlDeviceStore(database).get(DEVICE_ID)
    assert device is not None
    assert device.last_contact_time == at(77)


def test_many_at_once_put_one_package(packages: SqlPackageStore) -> None:
    package = descriptor()
    with ThreadPoolExecutor(8) as pool:
        put = list(pool.map(lambda number: packages.put(package, at(number)), range(8)))
    assert all(result == put[0] for result in put)
    assert len(packages.page(ALL, after=None, limit=9)) == 1


def test_devices_that_race_for_one_id_do_not_share_it(packages: SqlPackageStore) -> None:
    package = descriptor()
    rivals = [replace(package, device_id=device_id) for device_id in (DEVICE_ID, "camera-2")] * 4

    def put(rival: PackageDescriptor) -> str:
        try:
            return packages.put(rival, at(1)).descriptor.device_id
        except ConflictError:
            return "refused"

    with ThreadPoolExecutor(8) as pool:
        owners = set(pool.map(put, rivals))
    assert "refused" in owners
    assert len(owners) == 2


def test_what_comes_at_once_is_told_each_its_own(packages: SqlPackageStore, uploads: SqlUploadStore) -> None:
    begun, stored, new = descriptor(), descriptor(), descriptor(device_id="camera-2")
    opened(uploads, begun)
    first = packages.put(stored, at(1))
    puts = [new, replace(stored, sha256="0" * 64), descriptor(device_id="stranger"), stored, begun, new]
    outcomes = packages._put_all(
        [PackagePut(descriptor=put, content=b"bytes", receive_time=at(3)) for put in puts]
    )
    assert [getattr(outcome, "reason", "") for outcome in outcomes[1:3]] == [
        "PACKAGE_CONFLICT",
        "DEVICE_NOT_FOUND",
    ]
    assert outcomes[3] == first
    assert outcomes[0] == outcomes[5] == packages.get(new.package_id)
    assert outcomes[4] == packages.get(begun.package_id)
    assert {packages.get(one.package_id).state for one in (new, begun)} == {PackageState.COMMITTED}  # type: ignore[union-attr]  # a missing one would fail here, too
    again = opened(uploads, begun)
    assert (again.state, again.committed_offset) == (UploadState.FINISHED, begun.size_bytes)


def test_bytes_are_stored_with_the_row_that_names_them(
    packages: SqlPackageStore, database: Database, tmp_path: Path
) -> None:
    package = descriptor()
    with pytest.raises(NotFoundError):
        packages.put(replace(package, device_id="stranger"), at(1), content=b"bytes")
    contents = PackageContents(database, FileBlobs(tmp_path / "blobs"))
    with pytest.raises(NotFoundError):
        contents.open(package.sha256)
    packages.put(package, at(1), content=b"bytes")
    assert list(contents.open(package.sha256, 2)) == [b"tes"]


def test_pages_are_newest_first(packages: SqlPackageStore) -> None:
    put = [packages.put(descriptor(), at(number // 2)) for number in range(6)]
    newest_first = sorted(put, key=lambda p: (p.receive_time, p.descriptor.package_id), reverse=True)
    seen = []
    after = None
    while page := packages.page(ALL, after=after, limit=2):
        seen += page
        after = (page[-1].receive_time, page[-1].descriptor.package_id)
    assert seen == newest_first


def test_pages_filter_by_device_and_state(packages: SqlPackageStore, uploads: SqlUploadStore) -> None:
    mine = packages.put(descriptor(), at(1))
    packages.put(descriptor(device_id="camera-2"), at(2))
    unfinished = descriptor()
    opened(uploads, unfinished)
    assert packages.page(PackageFilter(device_id="camera-2"), after=None, limit=9)[0].receive_time == at(2)
    committed = PackageFilter(device_id=DEVICE_ID, state=PackageState.COMMITTED)
    assert packages.page(committed, after=None, limit=9) == [mine]
    uploading = packages.page(PackageFilter(state=PackageState.UPLOADING), after=None, limit=9)
    assert [package.descriptor for package in uploading] == [unfinished]


def test_only_failed_packages_are_retried(packages: SqlPackageStore) -> None:
    assert packages.retry(descriptor().package_id, at(1)) is None
    package = packages.put(descriptor(), at(1))
    with pytest.raises(PreconditionError) as caught:
        packages.retry(package.descriptor.package_id, at(2))
    assert caught.value.reason == "PACKAGE_NOT_FAILED"


def test_opening_twice_finds_the_first(packages: SqlPackageStore, uploads: SqlUploadStore) -> None:
    package = descriptor()
    first = opened(uploads, package)
    assert opened(uploads, package) == first == uploads.get(first.upload_id)
    stored = packages.get(package.package_id)
    assert stored is not None
    assert (stored.state, stored.commit_time) == (PackageState.UPLOADING, None)
    with pytest.raises(ConflictError):
        opened(uploads, replace(package, sha256="0" * 64))


def test_many_at_once_open_one_upload(uploads: SqlUploadStore) -> None:
    package = descriptor()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: opened(uploads, package), range(8)))
    assert {one.upload_id for one in found} == {found[0].upload_id}


def test_progress_is_recorded_while_the_upload_is_active(uploads: SqlUploadStore) -> None:
    new = opened(uploads, descriptor())
    assert uploads.set_offset(new.upload_id, 5, at(200))
    assert uploads.get(new.upload_id) == replace(new, committed_offset=5, expire_time=at(200))
    uploads.close(new.upload_id, UploadState.CANCELLED)
    assert not uploads.set_offset(new.upload_id, 6, at(300))
    assert not uploads.set_offset("no such upload", 6, at(300))


def test_finishing_commits_the_package_and_is_repeatable(
    packages: SqlPackageStore, uploads: SqlUploadStore
) -> None:
    package = descriptor()
    new = opened(uploads, package)
    finished = uploads.finish(new.upload_id, at(5))
    assert finished is not None
    assert (finished.state, finished.commit_time) == (PackageState.COMMITTED, at(5))
    assert uploads.finish(new.upload_id, at(6)) == finished == packages.get(package.package_id)
    again = opened(uploads, package)
    assert again == replace(new, state=UploadState.FINISHED, committed_offset=new.size_bytes)
    assert uploads.finish("no such upload", at(6)) is None


def test_a_package_that_was_put_has_a_finished_upload(
    packages: SqlPackageStore, uploads: SqlUploadStore
) -> None:
    package = descriptor()
    before = opened(uploads, package)
    packages.put(package, at(2))
    after = opened(uploads, package)
    assert (after.upload_id, after.state) == (before.upload_id, UploadState.FINISHED)
    other = descriptor()
    packages.put(other, at(3))
    found = opened(uploads, other)
    assert (found.state, found.committed_offset) == (UploadState.FINISHED, other.size_bytes)
    assert uploads.get(found.upload_id) == found


@pytest.mark.parametrize("state", [UploadState.CANCELLED, UploadState.EXPIRED])
def test_an_upload_given_up_frees_its_package_id(
    packages: SqlPackageStore, uploads: SqlUploadStore, state: UploadState
) -> None:
    package = descriptor()
    new = opened(uploads, package)
    uploads.set_offset(new.upload_id, 5, at(200))
    closed = uploads.close(new.upload_id, state)
    assert closed is not None
    assert (closed.state, closed.committed_offset) == (state, 0)
    assert uploads.close(new.upload_id, UploadState.CANCELLED) == closed
    assert packages.get(package.package_id) is None
    assert uploads.finish(new.upload_id, at(5)) is None
    again = opened(uploads, replace(package, sha256="1" * 64))
    assert again.upload_id != new.upload_id
    assert uploads.active_ids() == {again.upload_id}
    assert uploads.close("no such upload", state) is None


def test_finished_uploads_are_not_given_up(packages: SqlPackageStore, uploads: SqlUploadStore) -> None:
    new = opened(uploads, descriptor())
    uploads.finish(new.upload_id, at(5))
    closed = uploads.close(new.upload_id, UploadState.CANCELLED)
    assert closed is not None
    assert closed.state is UploadState.FINISHED
    assert packages.get(new.package_id) is not None


def test_a_device_may_announce_so_many_bytes(packages: SqlPackageStore, uploads: SqlUploadStore) -> None:
    def open_bytes(size_bytes: int, device_id: str = DEVICE_ID) -> Upload:
        package = descriptor(size_bytes=size_bytes, device_id=device_id)
        return uploads.open(package, upload(package), quota_bytes=100, now=at(1))

    first = open_bytes(60)
    with pytest.raises(ExhaustedError) as caught:
        open_bytes(41)
    assert caught.value.reason == "UPLOAD_QUOTA_EXCEEDED"
    assert caught.value.retry_after_s
    open_bytes(100, "camera-2")
    open_bytes(40)
    uploads.close(first.upload_id, UploadState.CANCELLED)
    open_bytes(60)


def test_expired_and_forgotten_uploads(uploads: SqlUploadStore) -> None:
    early = opened(uploads, descriptor(), expire_time=at(10))
    late = opened(uploads, descriptor(), expire_time=at(20))
    finished = opened(uploads, descriptor(), expire_time=at(5))
    uploads.finish(finished.upload_id, at(5))
    assert uploads.expired_ids(at(15), 9) == [early.upload_id]
    assert uploads.expired_ids(at(99), 1) == [early.upload_id]
    assert uploads.expired_ids(at(99), 9) == [early.upload_id, late.upload_id]
    assert uploads.forget(at(99)) == 1
    assert uploads.get(finished.upload_id) is None
    assert uploads.get(early.upload_id) == early
