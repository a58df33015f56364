"""What is garbage, what is not, and what deleting a device leaves: over each database."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.tinysphere.storage.records import DEVICE_ID, at, descriptor, heartbeat, profile, upload
from tinysphere.domain.ids import new_id
from tinysphere.domain.packages import EntryKind, PackageStep, StepState
from tinysphere.errors import SupersededError
from tinysphere.storage import garbage
from tinysphere.storage.blobs_files import FileBlobs
from tinysphere.storage.digests import blob_name
from tinysphere.storage.garbage import Collector, Forgetting, Retention
from tinysphere.storage.sql.audit import SqlAuditLog
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.device_data import SqlDeviceData
from tinysphere.storage.sql.devices import SqlDeviceStore
from tinysphere.storage.sql.metadata import UtcDateTime
from tinysphere.storage.sql.packages import SqlPackageStore
from tinysphere.storage.sql.references import SqlReferences
from tinysphere.storage.sql.tables import all_tables
from tinysphere.storage.sql.uploads import SqlUploadStore
from tinysphere.storage.sql.work import SqlWorkStore

DAY = timedelta(days=1)
RETENTION = Retention(processed=30 * DAY, failed=90 * DAY, files=60 * DAY, grace=timedelta(hours=1))


class Place:
    """A database, a folder of blobs, and a clock that stands."""

    def __init__(self, url: str, folder: Path) -> None:
        self.database = Database(url)
        self.folder = folder
        self.blobs = FileBlobs(folder)
        self.time = at(0)
        self.audit = SqlAuditLog(self.database)
        self.packages = SqlPackageStore(self.database)
        self.work = SqlWorkStore(self.database)
        SqlDeviceStore(self.database).register(profile(), at(0))

    def now(self) -> datetime:
        return self.time

    def collector(self) -> Collector:
        references = SqlReferences(self.database)
        return Collector(self.blobs, references, self.audit, retention=RETENTION, clock=self)

    def blob(self, content: bytes, put_time: datetime) -> str:
        """A blob that was put at that moment."""
        sha256 = hashlib.sha256(content).hexdigest()
        self.blobs.put([content], sha256=sha256, size_bytes=len(content))
        os.utime(self.folder / blob_name(sha256), (put_time.timestamp(),) * 2)
        return sha256

    def kept(self, now: datetime) -> set[str]:
        """What a collection at that moment leaves."""
        self.time = now
        self.collector().run()
        return {blob.sha256 for blob in self.blobs.stored()}

    def add(self, **rows: dict[str, object]) -> None:
        """Rows of tables by name; what is not told is filled with something."""
        with self.database.transaction() as connection:
            for name, values in rows.items():
                table = all_tables().tables[name]
                connection.execute(sa.insert(table).values(**(filler(table) | values)))


def filler(table: sa.Table) -> dict[str, object]:
    return {
        column.name: something(column)
        for column in table.c
        if not column.nullable and column.server_default is None and column.name != "ordinal"
    }


def something(column: sa.Column[Any]) -> object:
    if isinstance(column.type, UtcDateTime):
        return at(0)
    made: dict[type, object] = {str: "x", int: 1, float: 1.0, bool: False, bytes: b"x"}
    return made.get(column.type.python_type, {})


@pytest.fixture
def place(migrated_url: str, tmp_path: Path) -> Iterator[Place]:
    place = Place(migrated_url, tmp_path / "blobs")
    yield place
    place.database.dispose()


def test_what_no_row_needs_goes_when_the_grace_is_over(place: Place) -> None:
    old, young = place.blob(b"of a refused report", at(0)), place.blob(b"on its way", at(3600))
    needed = place.blob(b"content", at(0))
    place.packages.put(descriptor(), at(0))
    assert place.kept(at(3600)) == {old, young, needed}
    assert place.kept(at(3601)) == {young, needed}
    assert place.kept(at(7201)) == {needed}
    (newest, first) = place.audit.newest(9)
    assert (first.action, first.actor, first.audit_time) == ("COLLECT_GARBAGE", "server", at(3601))
    assert newest.detail == {"blob_count": 1, "blob_bytes": len(b"on its way")}


def test_a_dry_run_counts_and_deletes_nothing(place: Place) -> None:
    place.blob(b"twelve bytes", at(0))
    place.time = at(9999)
    swept = place.collector().run(dry_run=True)
    assert (swept.seen_count, swept.deleted_count, swept.deleted_bytes) == (1, 1, 12)
    assert len(list(place.blobs.stored())) == 1
    assert list(place.audit.newest(9)) == []


def test_archives_stay_as_long_as_their_end_asks(place: Place) -> None:
    contents = {name: place.blob(name.encode(), at(0)) for name in ("good", "bad", "waiting")}
    for name in contents:
        place.packages.put(descriptor(name.encode()), at(0))
    for name in ("bad", "good"):
        (claim,) = place.work.claim(
            new_id(),
            now=at(1),
            lease_time=at(60),
            package_id=next(
                package_id
                for package_id in place.work.due(at(1), 9)
                if place.packages.get(package_id).descriptor.sha256 == contents[name]  # type: ignore[union-attr]  # just put
            ),
        )
        if name == "bad":
            place.work.refuse(claim, reason="ARCHIVE_CORRUPT", error="no")
        else:
            place.work.add_steps(claim, [EntryKind.METRICS])
            step = PackageStep(kind=EntryKind.METRICS, state=StepState.SUCCEEDED)
            place.work.record_steps(claim, [step])
            place.work.complete(claim, [], now=at(1))
    assert place.kept(at(1) + 30 * DAY) == set(contents.values())
    assert place.kept(at(2) + 30 * DAY) == {contents["bad"], contents["waiting"]}
    assert place.kept(at(2) + 90 * DAY) == {contents["waiting"]}
    assert place.kept(at(2) + 9999 * DAY) == {contents["waiting"]}


def test_an_upload_that_finishes_late_finds_its_blob(place: Place) -> None:
    """The blob is stored, the server dies before the row turns; hours later the device finishes again."""
    announced = descriptor(b"large")
    uploads = SqlUploadStore(place.database)
    opened = uploads.open(announced, upload(announced, expire_time=at(999_999)), quota_bytes=99, now=at(0))
    stored = place.blob(b"large", at(0))
    assert place.kept(at(0) + 2 * DAY) == {stored}
    assert uploads.finish(opened.upload_id, at(0) + 2 * DAY) is not None
    assert place.kept(at(0) + 3 * DAY) == {stored}


def test_pictures_files_and_bundles_are_needed_by_their_rows(place: Place) -> None:
    picture, file, bundle, cut_off = (
        place.blob(name, at(0)) for name in (b"picture", b"file", b"bundle", b"cut off")
    )
    package = place.packages.put(descriptor(b"gone long ago"), at(0)).descriptor
    place.add(
        feature_spaces={"feature_space": "s"},
        samples={"feature_space": "s", "image_sha256": picture, "device_id": DEVICE_ID},
        package_files={"package_id": package.package_id, "sha256": file},
        published_model_versions={"bundle_sha256": bundle, "version": 1, "publish_time": at(0)},
    )
    place.add(published_model_versions={"bundle_sha256": cut_off, "publish_time": at(0), "model_name": "y"})
    assert place.kept(at(0) + DAY) == {picture, file, bundle, cut_off}
    assert place.kept(at(1) + DAY) == {picture, file, bundle}
    assert place.kept(at(1) + 60 * DAY) == {picture, bundle}
    with place.database.reading() as connection:
        versions = all_tables().tables["published_model_versions"]
        assert connection.scalars(sa.select(versions.c.bundle_sha256)).all() == [bundle]


def test_more_blobs_than_one_look_takes(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(garbage, "BATCH", 10)
    for number in range(25):
        place.blob(b"%d" % number, at(0))
    assert place.kept(at(9999)) == set()


def every_row(place: Place) -> dict[str, list[str]]:
    with place.database.reading() as connection:
        return {
            table.name: [str(tuple(row)) for row in connection.execute(sa.select(table))]
            for table in all_tables().sorted_tables
        }


def test_a_forgotten_device_leaves_no_row_and_others_keep_theirs(place: Place) -> None:
    for device_id in (DEVICE_ID, "camera-22"):
        SqlDeviceStore(place.database).register(profile(device_id=device_id), at(0))
        SqlDeviceStore(place.database).record_heartbeat(
            replace(heartbeat(), device_id=device_id, boot_id=new_id()), at(0)
        )
        package = place.packages.put(descriptor(device_id=device_id), at(0)).descriptor
        other = descriptor(b"larger", device_id=device_id)
        SqlUploadStore(place.database).open(other, upload(other), quota_bytes=99, now=at(0))
        key = f"{device_id}-key"
        place.add(
            package_steps={"package_id": package.package_id},
            package_files={"package_id": package.package_id, "path": key},
            feature_spaces={"feature_space": key},
            drift_events={"device_id": device_id, "drift_event_id": key},
            drift_event_progress={"device_id": device_id, "drift_event_id": key},
            drift_event_transitions={"drift_event_id": key},
            samples={"device_id": device_id, "sample_id": key, "feature_space": key},
            verdicts={"sample_id": key, "verdict_id": key},
            feedback_items={"device_id": device_id, "sample_id": key, "feedback_id": key},
            feedback_sequences={"device_id": device_id},
            adaptations={"device_id": device_id, "adaptation_id": key},
            rollouts={"rollout_id": key, "create_revision": len(key)},
            deployments={"device_id": device_id, "rollout_id": key},
            metric_series={"device_id": device_id, "series_id": len(device_id)},
            metric_points={"series_id": len(device_id)},
            metric_minutes={"series_id": len(device_id)},
            log_records={"device_id": device_id, "log_id": len(device_id), "words": ["x"]},
        )
    before = every_row(place)
    forgetting = Forgetting(SqlDeviceData(place.database), place.audit, place)
    counted = forgetting.run(DEVICE_ID, actor="an operator", dry_run=True)
    assert every_row(place) == before
    deleted = forgetting.run(DEVICE_ID, actor="an operator")
    assert deleted == counted
    assert deleted["metric_points"] == deleted["metric_minutes"] == deleted["log_records"] == 1
    assert deleted["samples"] == deleted["verdicts"] == deleted["deployments"] == deleted["devices"] == 1
    after = every_row(place)
    named = {name: [row for row in rows if DEVICE_ID in row] for name, rows in after.items()}
    left = {"audit_records", "feature_spaces", "rollouts"}  # what is not a device's own
    assert {name for name, rows in named.items() if rows} == left
    for name in set(before) - left:
        assert sorted(after[name]) == sorted(row for row in before[name] if row in after[name])
        assert len(after[name]) == len(before[name]) - counted.get(name, 0)
    (record,) = place.audit.newest(9)
    assert (record.action, record.actor, record.subject) == ("FORGET_DEVICE", "an operator", DEVICE_ID)
    assert record.detail == {"rows": dict(deleted)}
    assert forgetting.run(DEVICE_ID, actor="an operator") == {}


def test_a_worker_in_the_middle_loses_a_forgotten_package(place: Place) -> None:
    place.packages.put(descriptor(), at(0))
    (claim,) = place.work.claim(new_id(), now=at(1), lease_time=at(60))
    Forgetting(SqlDeviceData(place.database), place.audit, place).run(DEVICE_ID, actor="an operator")
    with pytest.raises(SupersededError):
        place.work.add_steps(claim, [EntryKind.METRICS])
