"""How much faster QueryMetrics answers from a rollup than from the points themselves.

One device measures one metric every second; `--points` of them are put in by the store's own writer, so that minutes
and hours are made as they always are. `rollup_speedup`: the time in which a query for hourly means over the whole
range is answered from the points, over that in which it is answered from the hours, on PostgreSQL;
`rollup_speedup_sqlite` on SQLite. Both answers are compared before anything is timed.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from tests.support import postgresql
from tinysphere.domain.moments import microseconds
from tinysphere.domain.telemetry import Metric, MetricAggregation, MetricBucket, MetricLevel
from tinysphere.storage.ports.telemetry import MetricQuery
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.metric_writes import write_points
from tinysphere.storage.sql.tables_telemetry import metric_series
from tinysphere.storage.sql.telemetry_keeper import SqlTelemetryKeeper
from tinysphere.storage.sql.telemetry_reader import SqlTelemetryReader

BATCH_SIZE = 50_000
SECOND_US = 1_000_000
HOUR = timedelta(hours=1)
METRIC = Metric(device_id="camera-1", name="latency_ms.total")
START = datetime(2026, 6, 1, tzinfo=UTC)


def fill(database: Database, point_count: int) -> int:
    """Put the points in; the number of their series."""
    end = START + timedelta(seconds=point_count)
    since = {MetricLevel.RAW: START, MetricLevel.MINUTE: START}
    SqlTelemetryKeeper(database).keep_since(since, START, now=end)
    with database.transaction() as connection:
        new = sa.insert(metric_series).values(device_id=METRIC.device_id, name=METRIC.name)
        connection.execute(new)
        series_id: int = connection.execute(sa.select(metric_series.c.series_id)).scalar_one()
    first_us, began_s = microseconds(START), time.perf_counter()
    for first in range(0, point_count, BATCH_SIZE):
        points = [
            (series_id, first_us + number * SECOND_US, math.sin(number / 1000) + number % 7)
            for number in range(first, min(first + BATCH_SIZE, point_count))
        ]
        with database.transaction(durable=False) as connection:
            write_points(connection, points)
        if first % (20 * BATCH_SIZE) == 0:
            print(f"  {first + len(points):,} points after {time.perf_counter() - began_s:.0f} s", flush=True)
    with database.transaction() as connection:
        connection.execute(sa.text("ANALYZE"))
    return series_id


def answer(
    reader: SqlTelemetryReader, series_id: int, level: MetricLevel, point_count: int
) -> list[MetricBucket]:
    """Hourly means of everything, read from one level."""
    query = MetricQuery(
        level=level,
        start_time=START,
        end_time=START + math.ceil(point_count / 3600) * HOUR,
        step=HOUR,
        aggregation=MetricAggregation.MEAN,
    )
    return list(reader.query({series_id: METRIC}, query)[0].buckets)


def seconds_of(call: Callable[[], object]) -> float:
    """How long a call takes."""
    began_s = time.perf_counter()
    call()
    return time.perf_counter() - began_s


def speedups(database: Database, point_count: int, rounds: int) -> list[float]:
    """Times from the points over times from the hours."""
    series_id, reader, found = fill(database, point_count), SqlTelemetryReader(database), []
    raw, hours = (
        answer(reader, series_id, level, point_count) for level in (MetricLevel.RAW, MetricLevel.HOUR)
    )
    if [(one.start_time, one.count) for one in raw] != [(one.start_time, one.count) for one in hours] or any(
        not math.isclose(one.value, other.value, abs_tol=1e-6) for one, other in zip(raw, hours, strict=True)
    ):
        raise RuntimeError("expected the same answer from both levels")
    for _ in range(rounds):
        raw_s = seconds_of(lambda: answer(reader, series_id, MetricLevel.RAW, point_count))
        hour_s = statistics.median(
            seconds_of(lambda: answer(reader, series_id, MetricLevel.HOUR, point_count)) for _ in range(5)
        )
        print(
            f"  {len(raw)} hours: {raw_s * 1000:.0f} ms from the points, {hour_s * 1000:.1f} ms from hours",
            flush=True,
        )
        found.append(raw_s / hour_s)
    return found


def main() -> None:
    """Measure, and print one JSON object."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="200,000 points")
    parser.add_argument("--points", type=int, default=0)
    options = parser.parse_args()
    point_count = options.points or (200_000 if options.quick else 10_000_000)
    rounds = 2 if options.quick else 5
    programs = postgresql.binaries()
    if programs is None:
        parser.error("PostgreSQL is missing: apt-get install postgresql")
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, postgresql.running_server(programs) as server:
        urls = {"": server.create_database(), "_sqlite": f"sqlite:///{Path(folder) / 'tinysphere.db'}"}
        for suffix, url in urls.items():
            print(f"{url.partition(':')[0]}: {point_count:,} points", flush=True)
            database = Database(url)
            database.migrate()
            found[f"rollup_speedup{suffix}"] = speedups(database, point_count, rounds)
            database.dispose()
    figures = {key: round(statistics.median(values), 1) for key, values in found.items()}
    spread = {key: [round(min(values), 1), round(max(values), 1)] for key, values in found.items()}
    result = {"name": "metric_query", "quick": options.quick, "figures": figures, "spread": spread}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
