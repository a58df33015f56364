"""A store full of packages, the worker that processes them, and the same rows written by hand."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import sqlalchemy as sa
from google.protobuf.timestamp_pb2 import Timestamp

from tests.tinysphere.ingestion import builders
from tests.tinysphere.storage.records import profile
from tinymlops.v1 import package_pb2
from tinysphere.bootstrap.processing import processor
from tinysphere.bootstrap.spans import retention
from tinysphere.domain.clock import SystemClock
from tinysphere.domain.ids import new_id
from tinysphere.domain.moments import microseconds
from tinysphere.domain.packages import EntryKind, PackageState
from tinysphere.domain.telemetry import LOG_LEVELS, words_of
from tinysphere.ingestion.client import DriftClient
from tinysphere.ingestion.convert.packages import read_descriptor
from tinysphere.ingestion.telemetry import Telemetry
from tinysphere.settings import Settings
from tinysphere.storage.blobs_files import FileBlobs
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.devices import SqlDeviceStore
from tinysphere.storage.sql.package_rows import read_package
from tinysphere.storage.sql.packages import SqlPackageStore
from tinysphere.storage.sql.tables_ingestion import package_steps, packages
from tinysphere.storage.sql.tables_telemetry import log_records, metric_points, metric_series
from tinysphere.storage.sql.telemetry_keeper import SqlTelemetryKeeper
from tinysphere.storage.sql.telemetry_reader import SqlTelemetryReader

METRIC_COUNT, POINT_COUNT, LOG_COUNT = (
    8,
    60,
    40,
)  # of one package: an hour of metrics, and what was logged meanwhile
FILL_ROWS = 5000
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What one package holds."""

    points: Sequence[package_pb2.MetricPoint]
    logs: Sequence[package_pb2.LogRecord]


class Place:
    """A database with blobs and a processor; packages get into it, and are processed, when asked."""

    def __init__(self, url: str, folder: Path) -> None:
        self.database = Database(url)
        self.database.migrate()
        self.store = SqlPackageStore(self.database)
        self._clock = SystemClock()
        self._hours = count()
        settings = Settings(data_dir=folder)
        keeper, reader = SqlTelemetryKeeper(self.database), SqlTelemetryReader(self.database)
        Telemetry(reader, keeper, retention(settings), self._clock).sweep()
        SqlDeviceStore(self.database).register(profile(), self._clock.now())
        self._drift = DriftClient(settings.drift_target)
        blobs = FileBlobs(folder / "blobs")
        self._processor = processor(settings, self.database, blobs, self._drift, self._clock)

    def content(self) -> Content:
        """The next hour's, a week ago and later: no two packages hold the same."""
        start = datetime.now(UTC).replace(microsecond=0) - 7 * DAY + timedelta(seconds=next(self._hours))
        moments = [_stamp(start + timedelta(minutes=number)) for number in range(POINT_COUNT)]
        return Content(
            points=[
                builders.metric_point(name=f"metric_{metric}.mean", measure_time=moment, value=number * 0.37)
                for metric in range(METRIC_COUNT)
                for number, moment in enumerate(moments)
            ],
            logs=[
                builders.log_record(
                    log_time=moments[number], message=f"package {number} was sent in {number} ms"
                )
                for number in range(LOG_COUNT)
            ],
        )

    def put(self, content: Content) -> str:
        """Store a package that holds that; its id."""
        entries = [
            ("metrics.pb", builders.METRICS, builders.delimited(content.points)),
            ("logs.pb", builders.LOGS, builders.delimited(content.logs)),
        ]
        made = _stamp(datetime.now(UTC))
        message, stored = builders.packed(entries, create_time=made)
        message.create_time.CopyFrom(made)
        package = self.store.put(read_descriptor(message), self._clock.now(), content=stored)
        return package.descriptor.package_id

    def process(self) -> float:
        """Process all that is due; the seconds it took."""
        began_s = time.perf_counter()
        while self._processor.run_due(lambda: False):
            pass
        return time.perf_counter() - began_s

    def processed(self, package_id: str) -> bool:
        """Whether a package was processed, with all its records."""
        with self.database.reading() as connection:
            package = read_package(connection, package_id)
        return package is not None and [step.record_count for step in package.steps] == [
            METRIC_COUNT * POINT_COUNT,
            LOG_COUNT,
        ]

    def series(self) -> dict[str, int]:
        """Numbers of the metrics."""
        with self.database.transaction() as connection:
            rows = [
                {"device_id": builders.DEVICE_ID, "name": f"metric_{metric}.mean"}
                for metric in range(METRIC_COUNT)
            ]
            connection.execute(sa.insert(metric_series), rows)
            return {row.name: row.series_id for row in connection.execute(sa.select(metric_series))}

    def fill(self, package_count: int, *, with_records: bool) -> None:
        """So many processed packages, with a few records each, written in bulk."""
        start = datetime.now(UTC) - DAY
        for first in range(0, package_count, FILL_ROWS):
            moments = {
                new_id(moment): moment
                for moment in (
                    start + timedelta(milliseconds=number)
                    for number in range(first, min(first + FILL_ROWS, package_count))
                )
            }
            with self.database.transaction(durable=False) as connection:
                connection.execute(sa.insert(packages), [_package_row(*item) for item in moments.items()])
                if with_records:
                    steps = [
                        _step_row(package_id, kind) for package_id in moments for kind in ("METRICS", "LOGS")
                    ]
                    connection.execute(sa.insert(package_steps), steps)
                    connection.execute(
                        sa.insert(log_records), [_log_row(moment, "sent") for moment in moments.values()]
                    )
                    points = [
                        {
                            "series_id": 10**6 + first // FILL_ROWS,
                            "time_us": microseconds(moment) + number,
                            "value": 1.0,
                        }
                        for moment in moments.values()
                        for number in range(10)
                    ]
                    connection.execute(sa.insert(metric_points), points)

    def close(self) -> None:
        """Let go of the database."""
        self._drift.close()
        self.database.dispose()


@contextmanager
def place(url: str, folder: Path) -> Iterator[Place]:
    """A place that is closed at the end."""
    opened = Place(url, folder)
    try:
        yield opened
    finally:
        opened.close()


def insert_by_hand(target: Place, series: dict[str, int], contents: Sequence[Content]) -> float:
    """The same rows by SQLAlchemy's bulk insert, a transaction each package; the seconds it took.

    The rows are made beforehand; the rollups, which nobody would write by hand, are left out.
    """
    prepared = [
        (
            new_id(),
            [
                {
                    "series_id": series[one.name],
                    "time_us": one.measure_time.ToMicroseconds(),
                    "value": one.value,
                }
                for one in content.points
            ],
            [_log_row(one.log_time.ToDatetime(tzinfo=UTC), one.message) for one in content.logs],
        )
        for content in contents
    ]
    began_s = time.perf_counter()
    for package_id, points, logs in prepared:
        with target.database.transaction(durable=False) as connection:
            connection.execute(sa.insert(packages), [_package_row(package_id, datetime.now(UTC))])
            connection.execute(
                sa.insert(package_steps), [_step_row(package_id, kind) for kind in ("METRICS", "LOGS")]
            )
            connection.execute(sa.insert(metric_points), points)
            connection.execute(sa.insert(log_records), logs)
    return time.perf_counter() - began_s


def _package_row(package_id: str, moment: datetime) -> dict[str, object]:
    return {
        "package_id": package_id,
        "device_id": builders.DEVICE_ID,
        "format": "TAR_ZSTD",
        "size_bytes": 1,
        "sha256": builders.sha256(package_id.encode()),
        "create_time": moment,
        "state": PackageState.PROCESSED.value,
        "receive_time": moment,
        "commit_time": moment,
        "process_time": moment,
    }


def _step_row(package_id: str, kind: str) -> dict[str, object]:
    position = [EntryKind.METRICS, EntryKind.LOGS].index(EntryKind(kind))
    return {
        "package_id": package_id,
        "kind": kind,
        "position": position,
        "state": "SUCCEEDED",
        "attempt_count": 1,
    }


def _log_row(moment: datetime, message: str) -> dict[str, object]:
    return {
        "device_id": builders.DEVICE_ID,
        "level": LOG_LEVELS["INFO"],
        "time_us": microseconds(moment),
        "logger": "tinylcm.sync",
        "message": message,
        "words": words_of(f"tinylcm.sync {message}"),
    }


def _stamp(moment: datetime) -> Timestamp:
    message = Timestamp()
    message.FromDatetime(moment)
    return message
