"""`tinysphere gc` collects what a server collects, and leaves to a running one what only that can know."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.tinysphere.storage.records import at, descriptor, profile, upload
from tinysphere.bootstrap.collection import collect
from tinysphere.domain.ids import new_id
from tinysphere.domain.moments import microseconds
from tinysphere.domain.packages import EntryKind, MetricPoint, UploadState
from tinysphere.settings import Settings
from tinysphere.storage.blobs_files import FileBlobs
from tinysphere.storage.parts_files import FileParts
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.devices import SqlDeviceStore
from tinysphere.storage.sql.packages import SqlPackageStore
from tinysphere.storage.sql.tables_telemetry import metric_points
from tinysphere.storage.sql.telemetry import SqlTelemetrySink
from tinysphere.storage.sql.uploads import SqlUploadStore
from tinysphere.storage.sql.work import SqlWorkStore

NOW = datetime.now(UTC)


@dataclass(frozen=True)
class Place:
    """A server's stores, a device with an expired upload and points of two ages, and the time."""

    settings: Settings
    database: Database
    blobs: FileBlobs
    upload_id: str

    def now(self) -> datetime:
        return NOW

    def collected(self) -> list[str]:
        return list(collect(self.settings, self.database, self.blobs, self, actor="an operator"))

    def state(self) -> UploadState:
        found = SqlUploadStore(self.database).get(self.upload_id)
        assert found is not None
        return found.state

    def values(self) -> list[float]:
        with self.database.reading() as connection:
            return list(connection.scalars(sa.select(metric_points.c.value)))


@pytest.fixture
def place(tmp_path: Path, database: Database) -> Iterator[Place]:
    settings = Settings(data_dir=tmp_path)
    SqlDeviceStore(database).register(profile(), NOW)
    announced = descriptor()
    begun = upload(announced, expire_time=NOW - timedelta(seconds=1))
    SqlUploadStore(database).open(announced, begun, quota_bytes=10**9, now=at(0))
    parts = FileParts(tmp_path / "uploads", disk_floor_bytes=1)
    parts.open(begun.upload_id).close()
    parts.release()
    _measure(database)
    yield Place(settings, database, FileBlobs(tmp_path / "blobs"), begun.upload_id)


def _measure(database: Database) -> None:
    """A point of a month ago, and one of today."""
    package = SqlPackageStore(database).put(descriptor(b"other"), NOW).descriptor
    work = SqlWorkStore(database)
    (claim,) = work.claim(new_id(), now=NOW, lease_time=NOW + timedelta(seconds=30))
    work.add_steps(claim, [EntryKind.METRICS])
    ages = (timedelta(days=30), timedelta(hours=1))
    points = [MetricPoint("m", microseconds(NOW - age), value) for value, age in enumerate(ages)]
    SqlTelemetrySink(database).add_metrics(package, 0, points)


def test_expired_uploads_and_old_points_go(place: Place) -> None:
    assert place.collected() == [
        "ended 1 expired uploads",
        "deleted the metric points, rollups and log records whose time is over",
        "deleted 0 of 0 blobs, 0 bytes",
    ]
    assert place.state() is UploadState.EXPIRED
    assert place.values() == [1.0]
    assert [path.name for path in (place.settings.data_dir / "uploads").iterdir()] == [".lock"]
    assert place.collected()[0] == "ended 0 expired uploads"


def test_uploads_are_left_to_a_server_that_runs(place: Place) -> None:
    running = FileParts(place.settings.data_dir / "uploads", disk_floor_bytes=1)
    told = place.collected()[0]
    assert told.startswith("left expired uploads to the server that holds ")
    assert place.state() is UploadState.ACTIVE
    assert place.values() == [1.0]
    running.release()
    assert place.collected()[0] == "ended 1 expired uploads"
