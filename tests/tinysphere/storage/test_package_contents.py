"""Small packages whose bytes are stored beside their row."""

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.tinysphere.storage.records import DEVICE_ID, at, descriptor, profile
from tinysphere.domain.packages import PackageDescriptor
from tinysphere.errors import DamagedDataError, NotFoundError, OutOfRangeError
from tinysphere.storage.blobs_files import FileBlobs
from tinysphere.storage.ports.garbage import Cutoffs
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.device_data import SqlDeviceData
from tinysphere.storage.sql.devices import SqlDeviceStore
from tinysphere.storage.sql.package_contents import PackageContents
from tinysphere.storage.sql.packages import SqlPackageStore
from tinysphere.storage.sql.references import SqlReferences
from tinysphere.storage.sql.tables_package_contents import package_contents
from tinysphere.storage.sql.work import SqlWorkStore

CONTENT = b"a small package"
DAY = timedelta(days=1)


def package(content: bytes = CONTENT) -> PackageDescriptor:
    return descriptor(sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))


class Place:
    """A database that knows a device, and a folder of blobs."""

    def __init__(self, url: str, folder: Path) -> None:
        self.database = Database(url)
        self.blobs = FileBlobs(folder)
        self.packages = SqlPackageStore(self.database)
        self.contents = PackageContents(self.database, self.blobs)
        SqlDeviceStore(self.database).register(profile(), at(0))

    def count(self) -> int:
        with self.database.reading() as connection:
            return connection.execute(sa.select(sa.func.count()).select_from(package_contents)).scalar_one()


@pytest.fixture
def place(migrated_url: str, tmp_path: Path) -> Iterator[Place]:
    place = Place(migrated_url, tmp_path / "blobs")
    yield place
    place.database.dispose()


def test_they_are_read_by_their_digest_from_any_offset(place: Place) -> None:
    small = package()
    for _ in range(2):  # a repetition changes nothing
        place.packages.put(small, at(1), content=CONTENT)
    place.packages.put(package(), at(1), content=CONTENT)  # the same bytes under another id
    assert b"".join(place.contents.open(small.sha256)) == CONTENT
    assert b"".join(place.contents.open(small.sha256, 6)) == CONTENT[6:]
    assert b"".join(place.contents.open(small.sha256, len(CONTENT))) == b""
    with pytest.raises(OutOfRangeError):
        place.contents.open(small.sha256, len(CONTENT) + 1)
    assert place.count() == 2


def test_what_is_not_there_is_read_from_the_blob_store(place: Place) -> None:
    large = package(b"larger")
    place.blobs.put([b"larger"], sha256=large.sha256, size_bytes=6)
    place.packages.put(large, at(1))
    assert b"".join(place.contents.open(large.sha256)) == b"larger"
    assert b"".join(place.contents.open(large.sha256, 2)) == b"rger"
    with pytest.raises(NotFoundError):
        place.contents.open(package().sha256)


def test_damage_is_noticed(place: Place) -> None:
    small = package()
    place.packages.put(small, at(1), content=CONTENT)
    with place.database.transaction() as connection:
        connection.execute(sa.update(package_contents).values(content=CONTENT[::-1]))
    with pytest.raises(DamagedDataError) as caught:
        list(place.contents.open(small.sha256))
    assert caught.value.reason == "BLOB_CORRUPT"


def test_they_are_kept_as_long_as_archives_are(place: Place) -> None:
    place.packages.put(package(), at(1), content=CONTENT)
    work = SqlWorkStore(place.database)
    (claim,) = work.claim("claim-1", now=at(2), lease_time=at(60))
    references = SqlReferences(place.database)

    def forgotten(before_s: float) -> int:
        cutoff = at(before_s)
        return references.forget_unneeded(
            Cutoffs(processed=cutoff, failed=cutoff, files=cutoff, reserved=cutoff)
        )

    assert forgotten(1000) == 0  # it is at work
    work.complete(claim, [], now=at(10))
    assert (forgotten(10), place.count()) == (0, 1)
    assert (forgotten(11), place.count()) == (1, 0)


def test_they_go_with_their_device(place: Place) -> None:
    place.packages.put(package(), at(1), content=CONTENT)
    assert SqlDeviceData(place.database).delete(DEVICE_ID)["package_contents"] == 1
    assert place.count() == 0
