"""Metrics and logs over each database: exact from every level, once however often, in whatever order."""

import random
import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from tests.tinysphere.storage.records import DEVICE_ID, START, at, descriptor, profile
from tinysphere.domain.ids import new_id
from tinysphere.domain.moments import microseconds
from tinysphere.domain.packages import EntryKind, LogRecord, MetricPoint, PackageDescriptor
from tinysphere.domain.telemetry import (
    Metric,
    MetricAggregation,
    MetricBucket,
    MetricLevel,
    sought_words,
)
from tinysphere.errors import SupersededError
from tinysphere.storage.ports.telemetry import LogFilter, MetricQuery
from tinysphere.storage.sql import log_search
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.device_data import SqlDeviceData
from tinysphere.storage.sql.devices import SqlDeviceStore
from tinysphere.storage.sql.packages import SqlPackageStore
from tinysphere.storage.sql.telemetry import SqlTelemetrySink
from tinysphere.storage.sql.telemetry_keeper import SqlTelemetryKeeper
from tinysphere.storage.sql.telemetry_reader import SqlTelemetryReader
from tinysphere.storage.sql.work import SqlWorkStore

NAME = "latency_ms.total"
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


@dataclass
class Store:
    """The stores of telemetry, and packages to put things into."""

    database: Database
    reader: SqlTelemetryReader = field(init=False)
    sink: SqlTelemetrySink = field(init=False)
    keeper: SqlTelemetryKeeper = field(init=False)

    def __post_init__(self) -> None:
        self.reader = SqlTelemetryReader(self.database)
        self.sink = SqlTelemetrySink(self.database)
        self.keeper = SqlTelemetryKeeper(self.database)

    def package(self, device_id: str = DEVICE_ID) -> PackageDescriptor:
        """A package that is being processed."""
        SqlDeviceStore(self.database).register(profile(device_id=device_id), START)
        package = SqlPackageStore(self.database).put(descriptor(device_id=device_id), START).descriptor
        work = SqlWorkStore(self.database)
        (claim,) = work.claim(new_id(), now=START, lease_time=at(30), package_id=package.package_id)
        work.add_steps(claim, [EntryKind.METRICS, EntryKind.LOGS])
        return package

    def add(self, points: Sequence[MetricPoint], device_id: str = DEVICE_ID) -> None:
        """Take points from a package of their own."""
        self.sink.add_metrics(self.package(device_id), 0, points)

    def log(self, records: Sequence[LogRecord], device_id: str = DEVICE_ID) -> None:
        """Take log records from a package of their own."""
        self.sink.add_logs(self.package(device_id), 0, records)

    def buckets(
        self, level: MetricLevel, step: timedelta, aggregation: MetricAggregation, name: str = NAME
    ) -> list[MetricBucket]:
        """What is known of the device's metric in the two days around the start, in steps of whole days."""
        series = self.reader.owners(name, [DEVICE_ID], after=None, limit=10)
        start = datetime(START.year, START.month, START.day, tzinfo=START.tzinfo)
        query = MetricQuery(
            level=level,
            start_time=start - DAY,
            end_time=start + 2 * DAY,
            step=step,
            aggregation=aggregation,
        )
        return list(self.reader.query(series, query)[0].buckets) if series else []

    def found(self, **wanted: object) -> list[str]:
        """Messages of a search, newest first."""
        return [line.record.message for line in self.search(**wanted)]

    def search(self, after: tuple[datetime, int] | None = None, limit: int = 100, **wanted: object):  # type: ignore[no-untyped-def]  # records
        return self.reader.logs(LogFilter(**wanted), after=after, limit=limit)  # type: ignore[arg-type]  # by keyword


@pytest.fixture
def store(migrated_url: str) -> Iterator[Store]:
    database = Database(migrated_url)
    yield Store(database)
    database.dispose()


def point(seconds: float, value: float, name: str = NAME) -> MetricPoint:
    return MetricPoint(name=name, time_us=microseconds(at(seconds)), value=value)


def line(seconds: float, message: str, level: str = "INFO", logger: str = "tinylcm.sync") -> LogRecord:
    return LogRecord(log_time=at(seconds), level=level, logger=logger, message=message)


def expected(
    points: Sequence[MetricPoint], step: timedelta, aggregation: MetricAggregation
) -> list[tuple[datetime, int, float]]:
    """The answer, computed by hand."""
    buckets: defaultdict[datetime, list[MetricPoint]] = defaultdict(list)
    epoch = datetime(1970, 1, 1, tzinfo=START.tzinfo)
    for one in set(points):
        buckets[epoch + (one.measure_time - epoch) // step * step].append(one)
    return [
        (start, len(inside), aggregated(inside, aggregation)) for start, inside in sorted(buckets.items())
    ]


def aggregated(points: Sequence[MetricPoint], aggregation: MetricAggregation) -> float:
    values = sorted(one.value for one in points)
    if aggregation.value.startswith("P"):
        percent = int(aggregation.value[1:])
        return values[-(-len(values) * percent // 100) - 1]
    return {
        MetricAggregation.MIN: values[0],
        MetricAggregation.MAX: values[-1],
        MetricAggregation.MEAN: statistics.fmean(values),
        MetricAggregation.SUM: sum(values),
        MetricAggregation.COUNT: float(len(values)),
        MetricAggregation.LAST: max((one.measure_time, one.value) for one in points)[1],
    }[aggregation]


def random_points(rng: random.Random, count: int) -> list[MetricPoint]:
    """Over a day and a half, some at one moment, some of them twice."""
    found = [
        point(rng.randrange(-40_000, 80_000), rng.choice([rng.uniform(-9, 9), 1.0])) for _ in range(count)
    ]
    return found + found[: count // 10] + [point(0, number / 4) for number in range(5)]


@pytest.mark.parametrize("aggregation", MetricAggregation)
def test_every_level_answers_the_same(store: Store, aggregation: MetricAggregation) -> None:
    rng = random.Random(aggregation.value)
    points = random_points(rng, 700)
    rng.shuffle(points)
    for number in range(0, len(points), 90):  # late and early ones, over many packages
        store.add(points[number : number + 90])
    percentile = aggregation.value.startswith("P")
    for level, step in (
        (MetricLevel.RAW, timedelta(seconds=7)),
        (MetricLevel.RAW, HOUR),
        (MetricLevel.RAW, DAY),
        (MetricLevel.MINUTE, MINUTE),
        (MetricLevel.MINUTE, 90 * MINUTE),
        (MetricLevel.HOUR, HOUR),
        (MetricLevel.HOUR, DAY),
    ):
        if percentile and level is not MetricLevel.RAW:
            continue
        found = store.buckets(level, step, aggregation)
        wanted = expected(points, step, aggregation)
        assert [(bucket.start_time, bucket.count) for bucket in found] == [row[:2] for row in wanted]
        assert [bucket.value for bucket in found] == pytest.approx([row[2] for row in wanted])


def test_a_repeated_batch_changes_nothing(store: Store) -> None:
    package = store.package()
    points = [point(number, number) for number in range(10)]
    store.sink.add_metrics(package, 0, points[:4])
    store.sink.add_metrics(package, 0, points[:4])
    store.sink.add_metrics(package, 2, points[2:])  # overlaps what was taken
    store.sink.add_metrics(package, 10, [])
    for level in MetricLevel:
        (bucket,) = store.buckets(level, HOUR, MetricAggregation.SUM)
        assert (bucket.count, bucket.value) == (10, 45)
    found = SqlPackageStore(store.database).get(package.package_id)
    assert found is not None
    assert {step.kind: step.record_count for step in found.steps} == {
        EntryKind.METRICS: 10,
        EntryKind.LOGS: 0,
    }


def test_a_repetition_is_harmless_after_the_points_were_forgotten(store: Store) -> None:
    package = store.package()
    points = [point(number, 1.0) for number in range(10)]
    store.sink.add_metrics(package, 0, points)
    far = START + 400 * DAY
    keep(store, far, raw=DAY)
    store.sink.add_metrics(package, 0, points)
    (bucket,) = store.buckets(MetricLevel.HOUR, HOUR, MetricAggregation.COUNT)
    assert bucket.count == 10
    assert store.buckets(MetricLevel.RAW, HOUR, MetricAggregation.COUNT) == []


def test_records_must_not_leave_a_gap(store: Store) -> None:
    with pytest.raises(ValueError, match="expected records from 0 on, got 1"):
        store.sink.add_metrics(store.package(), 1, [point(0, 1)])


def test_a_package_that_is_gone_ends_the_work(store: Store) -> None:
    package = descriptor()
    with pytest.raises(SupersededError):
        store.sink.add_logs(package, 0, [line(0, "lost")])


def test_metrics_are_listed_in_order(store: Store) -> None:
    for device_id in ("camera-2", "camera-1", "camera-3"):
        store.add([point(0, 1, name) for name in ("b", "a")], device_id)
    pairs = [("a", f"camera-{number}") for number in (1, 2, 3)] + [
        ("b", f"camera-{number}") for number in (1, 2, 3)
    ]
    metrics = [Metric(device_id=device_id, name=name) for name, device_id in pairs]
    assert store.reader.metrics(None, after=None, limit=4) == metrics[:4]
    assert store.reader.metrics(None, after=pairs[3], limit=4) == metrics[4:]
    assert store.reader.metrics("camera-2", after=None, limit=9) == [metrics[1], metrics[4]]
    owners = store.reader.owners("a", ["camera-3", "camera-1", "camera-9"], after="camera-1", limit=9)
    assert list(owners.values()) == [metrics[2]]


def test_points_are_counted_by_the_hour(store: Store) -> None:
    store.add([point(number * 60, number) for number in range(180)])
    series = store.reader.owners(NAME, [], after=None, limit=9)
    query = MetricQuery(
        level=MetricLevel.RAW,
        start_time=at(3700),
        end_time=at(3800),
        step=timedelta(seconds=1),
        aggregation=MetricAggregation.MIN,
    )
    assert store.reader.count_points(series, query) == 60


def keep(store: Store, now: datetime, raw: timedelta = DAY, minute: timedelta = 2 * DAY) -> None:
    since = {
        MetricLevel.RAW: now - raw,
        MetricLevel.MINUTE: now - minute,
        MetricLevel.HOUR: now - 1000 * DAY,
    }
    store.keeper.keep_since(since, now - DAY, now=now)


def test_each_level_forgets_in_its_own_time(store: Store) -> None:
    points = [point(-days * 86_400, days) for days in range(0, 60, 5)]
    store.add(points)
    store.log([line(-days * 86_400, f"day {days}") for days in range(0, 60, 5)])
    for _ in range(2):  # sweeping twice is fine, also where partitions are there already
        keep(store, START + HOUR, raw=8 * DAY, minute=30 * DAY)
    series = store.reader.owners(NAME, [], after=None, limit=1)
    for level, oldest in ((MetricLevel.RAW, 8), (MetricLevel.MINUTE, 30), (MetricLevel.HOUR, 60)):
        query = MetricQuery(
            level=level,
            start_time=START - 70 * DAY,
            end_time=START + DAY,
            step=HOUR,
            aggregation=MetricAggregation.MAX,
        )
        (found,) = store.reader.query(series, query)
        ages = [int(bucket.value) for bucket in found.buckets]
        whole = [days for days in range(55, -1, -5) if days < oldest]
        assert ages[-len(whole) :] == whole
        assert all(days < oldest + 7 for days in ages), "at most the week it lies in longer"
    assert store.found() == ["day 0"]


def test_late_points_find_their_week_when_it_is_made(store: Store) -> None:
    store.add([point(0, 1.0), point(-3 * 86_400, 2.0)])
    keep(store, START, raw=30 * DAY, minute=30 * DAY)
    store.add([point(-4 * 86_400, 3.0), point(0, 1.0), point(-400 * 86_400, 4.0)])
    series = store.reader.owners(NAME, [], after=None, limit=1)
    for level in (MetricLevel.RAW, MetricLevel.MINUTE):
        query = MetricQuery(
            level=level,
            start_time=START - 500 * DAY,
            end_time=START + DAY,
            step=MINUTE,
            aggregation=MetricAggregation.SUM,
        )
        (found,) = store.reader.query(series, query)
        assert [bucket.value for bucket in found.buckets] == [4.0, 3.0, 2.0, 1.0]


def test_more_than_a_batch_is_forgotten(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinysphere.storage.sql.telemetry_keeper.BATCH_SIZE", 3)
    store.add([point(number, number) for number in range(10)])
    store.log([line(number, str(number)) for number in range(10)])
    keep(store, START + 12 * DAY)
    assert store.buckets(MetricLevel.RAW, HOUR, MetricAggregation.COUNT) == []
    assert store.found() == []
    assert store.found(words=sought_words("7")) == []


def test_a_device_can_be_forgotten(store: Store) -> None:
    for device_id in (DEVICE_ID, "camera-2"):
        store.add([point(0, 1), point(1, 2)], device_id)
        store.log([line(0, f"of {device_id}")], device_id)
    SqlDeviceData(store.database).delete(DEVICE_ID)
    assert [metric.device_id for metric in store.reader.metrics(None, after=None, limit=9)] == ["camera-2"]
    assert store.found() == ["of camera-2"]
    assert store.found(words=sought_words("camera 1")) == []
    store.add([point(0, 5)])  # it may begin anew
    (bucket,) = store.buckets(MetricLevel.MINUTE, HOUR, MetricAggregation.SUM)
    assert (bucket.count, bucket.value) == (1, 5)


@pytest.fixture(params=["index", "walk"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the full-text index, or back through time in windows of few rows: the answers are the same."""
    if request.param == "walk":
        monkeypatch.setattr(log_search, "FEW", -1)
        monkeypatch.setattr(log_search, "FIRST_WINDOW_ROWS", 2)
        monkeypatch.setattr(log_search, "LARGEST_WINDOW_ROWS", 5)


@pytest.mark.usefixtures("way")
def test_logs_are_searched_by_level_time_device_and_text(store: Store) -> None:
    store.log(
        [
            line(1, "Upload of a_b.tar failed: disk full", "ERROR"),
            line(2, "uploaded 3 packages"),
            line(3, "Überlauf im Puffer", "CRITICAL", logger="kern"),
            line(4, "it's 100% \"quoted\" & (odd) | 'text' <->", "DEBUG"),
        ]
    )
    store.log([line(2.5, "uploaded nothing", "WARNING")], "camera-2")
    newest_first = [
        "it's 100% \"quoted\" & (odd) | 'text' <->",
        "Überlauf im Puffer",
        "uploaded nothing",
        "uploaded 3 packages",
        "Upload of a_b.tar failed: disk full",
    ]
    assert store.found() == newest_first
    assert store.found(minimum_level=30) == [newest_first[1], newest_first[2], newest_first[4]]
    assert store.found(device_id="camera-2") == [newest_first[2]]
    assert store.found(start_time=at(2), end_time=at(3)) == newest_first[2:4]
    for text, found in {
        "uploaded": newest_first[2:4],
        "UPLOAD*": newest_first[2:],
        "disk B tar": newest_first[4:],
        "überlauf": newest_first[1:2],
        "kern": newest_first[1:2],
        "sync package*": newest_first[3:4],
        "quoted' \"text": newest_first[:1],
        "uploaded failed": [],
        "100%": newest_first[:1],
    }.items():
        assert store.found(words=sought_words(text)) == found, text
    assert (
        store.found(words=sought_words("upload*"), minimum_level=30, device_id=DEVICE_ID) == newest_first[4:]
    )


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("text", ["", "common"])
def test_logs_are_paged_without_gap_or_repetition(store: Store, text: str) -> None:
    rng = random.Random(1)
    levels = ["DEBUG", "INFO", "ERROR"]
    store.log([line(rng.randrange(10), f"common {number}", rng.choice(levels)) for number in range(50)])
    words = sought_words(text)
    everything = store.found(words=words)
    assert len(everything) == 50
    pages: list[str] = []
    after = None
    while page := store.search(after=after, limit=7, words=words):
        pages += [one.record.message for one in page]
        after = (page[-1].record.log_time, page[-1].log_id)
    assert pages == everything
