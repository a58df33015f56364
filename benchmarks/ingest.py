"""How fast stored packages become rows that can be queried, beside the bare inserts of the same rows.

`ratio_to_insert_*`: packages a second from COMMITTED to PROCESSED, by one worker, over those whose rows are inserted
by hand into an equal database, in turns. A package holds 480 metric points and 40 log records; processing also
verifies the archive, checks every record and keeps the rollups, inserting by hand does neither.
`metrics_ratio_to_copy`: metric points a second into PostgreSQL, rollups and duplicates looked after, over those of a
bare COPY into an equal table, 10,000 in a transaction. `cost_growth*`: what a package costs with `--stored` packages
in the database over what it costs with 1,000, and `page_growth_*` the same for a page of ListPackages behind 500
others, with `--listed` packages.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.processing import Place, insert_by_hand, place
from tests.support import postgresql
from tinysphere.domain.ids import new_id
from tinysphere.domain.moments import microseconds
from tinysphere.domain.packages import EntryKind, MetricPoint, PackageDescriptor
from tinysphere.storage.ports.packages import PackageFilter
from tinysphere.storage.sql.telemetry import SqlTelemetrySink
from tinysphere.storage.sql.work import SqlWorkStore

SMALL_COUNT = 1000
BATCH_SIZE = 10_000
PAGE_SIZE = 100

NewUrl = Callable[[], str]
Found = dict[str, list[float]]
Series = dict[str, int]


def insert_ratios(
    ours: Place, theirs: Place, series: Series, *, rounds: int, package_count: int
) -> Iterator[float]:
    """Rates of processing over rates of inserting, a round after the other."""
    for number in range(rounds + 1):
        contents = [ours.content() for _ in range(package_count)]
        ids = [ours.put(content) for content in contents]
        ours_s = ours.process()
        if not all(map(ours.processed, ids)):
            raise RuntimeError("expected every package to be processed with all its records")
        theirs_s = insert_by_hand(theirs, series, contents)
        if number:  # the first round warms both up
            print(
                f"  {package_count / ours_s:.1f} packages/s, by hand {package_count / theirs_s:.1f}",
                flush=True,
            )
            yield theirs_s / ours_s


def copy_ratios(ours: Place, theirs: Place, series: Series, *, rounds: int) -> Iterator[float]:
    """Rates of taking metric points over rates of a bare COPY of them."""
    sink = SqlTelemetrySink(ours.database)
    package = _processing(ours)
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(days=9)  # before those of packages
    for number in range(rounds + 1):
        points = [
            MetricPoint(
                name=f"metric_{index % 8}.mean",
                time_us=microseconds(start) + (number * BATCH_SIZE // 8 + index // 8) * 1_000_000,
                value=index * 0.37,
            )
            for index in range(BATCH_SIZE)
        ]
        began_s = time.perf_counter()
        sink.add_metrics(package, number * BATCH_SIZE, points)
        ours_s = time.perf_counter() - began_s
        began_s = time.perf_counter()
        _copy(theirs, series, points)
        theirs_s = time.perf_counter() - began_s
        if number:
            print(f"  {BATCH_SIZE / ours_s:,.0f} points/s, COPY {BATCH_SIZE / theirs_s:,.0f}", flush=True)
            yield theirs_s / ours_s


def _processing(ours: Place) -> PackageDescriptor:
    """A package that is being processed, to take points for."""
    package_id, now = ours.put(ours.content()), datetime.now(UTC)
    work = SqlWorkStore(ours.database)
    (claim,) = work.claim(new_id(), now=now, lease_time=now + timedelta(days=1), package_id=package_id)
    work.add_steps(claim, [EntryKind.METRICS])
    return claim.package.descriptor


def _copy(theirs: Place, series: Series, points: list[MetricPoint]) -> None:
    lines = [f"{series[one.name]}\t{one.time_us}\t{one.value!r}\n" for one in points]
    with (
        theirs.database.transaction(durable=False) as connection,
        closing(connection.connection.cursor()) as cursor,
    ):
        cursor.copy_expert("COPY metric_points FROM STDIN", io.StringIO("".join(lines)))


def package_cost_s(target: Place, package_count: int) -> float:
    """What a package costs now: the median of some, each processed by itself."""
    costs = []
    for _ in range(package_count):
        target.put(target.content())
        costs.append(target.process())
    return statistics.median(costs)


def page_cost_s(target: Place) -> float:
    """What a page behind 500 others costs now."""
    newest = target.store.page(PackageFilter(), after=None, limit=1)[0].receive_time
    after = (newest - timedelta(milliseconds=500), "")
    costs = []
    for _ in range(30):
        began_s = time.perf_counter()
        target.store.page(PackageFilter(), after=after, limit=PAGE_SIZE)
        costs.append(time.perf_counter() - began_s)
    return statistics.median(costs)


def growth(target: Place, cost: Callable[[Place], float], large_count: int, *, with_records: bool) -> float:
    """Cost with many packages over cost with few."""
    target.fill(SMALL_COUNT, with_records=with_records)
    small_s = cost(target)
    target.fill(large_count - SMALL_COUNT, with_records=with_records)
    large_s = cost(target)
    print(
        f"  {small_s * 1000:.2f} ms with {SMALL_COUNT:,}, {large_s * 1000:.2f} ms with {large_count:,}",
        flush=True,
    )
    return large_s / small_s


def measure(urls: dict[str, NewUrl], folder: Path, options: argparse.Namespace) -> Found:
    """Every value of every figure."""
    found: Found = {}
    for name, new_url in urls.items():
        print(f"{name}: beside inserts by hand", flush=True)
        with (
            place(new_url(), folder / f"{name}-ours") as ours,
            place(new_url(), folder / f"{name}-hand") as theirs,
        ):
            series = theirs.series()
            ratios = insert_ratios(
                ours, theirs, series, rounds=options.rounds, package_count=options.packages
            )
            found[f"ratio_to_insert_{name}"] = list(ratios)
            if name == "postgres":
                print(f"{name}: beside COPY", flush=True)
                found["metrics_ratio_to_copy"] = list(
                    copy_ratios(ours, theirs, series, rounds=options.rounds * 2)
                )
        print(f"{name}: cost as packages become many", flush=True)
        with place(new_url(), folder / f"{name}-grown") as grown:
            each = lambda target: package_cost_s(target, options.packages)  # noqa: E731  # one line, used here
            grew = growth(grown, each, options.stored, with_records=True)
            found["cost_growth" if name == "sqlite" else "cost_growth_postgres"] = [grew]
        with place(new_url(), folder / f"{name}-listed") as listed:
            found[f"page_growth_{name}"] = [growth(listed, page_cost_s, options.listed, with_records=False)]
    return found


def main() -> None:
    """Measure, and print one JSON object."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, within a minute")
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--packages", type=int, default=0, help="in each round")
    parser.add_argument("--stored", type=int, default=0, help="packages with records, for the cost's growth")
    parser.add_argument("--listed", type=int, default=0, help="packages, for a page's growth")
    options = parser.parse_args()
    defaults = {
        "rounds": (7, 2),
        "packages": (40, 10),
        "stored": (100_000, 4000),
        "listed": (1_000_000, 10_000),
    }
    for name, (full, quick) in defaults.items():
        setattr(options, name, getattr(options, name) or (quick if options.quick else full))
    programs = postgresql.binaries()
    if programs is None:
        parser.error("PostgreSQL is missing: apt-get install postgresql")
    with tempfile.TemporaryDirectory() as name, postgresql.running_server(programs) as server:
        folder = Path(name)
        urls = {
            "sqlite": lambda: f"sqlite:///{tempfile.mkdtemp(dir=folder)}/tinysphere.db",
            "postgres": server.create_database,
        }
        found = measure(urls, folder, options)
    print(
        json.dumps(
            {
                "name": "ingest",
                "quick": options.quick,
                "figures": {key: statistics.median(values) for key, values in found.items()},
                "spread": {key: [min(values), max(values)] for key, values in found.items()},
            }
        )
    )


if __name__ == "__main__":
    main()
