"""What a page costs as rows become many: events, samples, the review queue, packages.

`<page>_<database>_<rows>` is the cost of a page among so many rows over its cost among 10,000, each from the same
round; `<page>_<database>_ms` is the latter. All databases are filled first, then asked in turns, so that what else the
machine does weighs on all alike. A page is 100 rows, behind half of all where its name says deep; a lease is five
samples for a reviewer who had none, with the count of what waits; none is given back, so later ones pass over them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path

from benchmarks.review_rows import EVENTS, PACKAGES, SAMPLES, START, SUBJECTS, fill
from tests.support import postgresql
from tinysphere.domain.drift import DriftEventState, DriftScope, DriftType, SampleState, Severity
from tinysphere.domain.queue import QueueFilter
from tinysphere.domain.review import QueueOrder
from tinysphere.storage.ports.drift import EventFilter, SampleFilter
from tinysphere.storage.ports.packages import PackageFilter
from tinysphere.storage.ports.queue import LeaseRequest
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.drift import SqlDriftStore
from tinysphere.storage.sql.packages import SqlPackageStore
from tinysphere.storage.sql.queue import SqlQueueStore

PAGE_SIZE = 100
LEASE_SIZE = 5
SIZES, QUICK_SIZES = (10_000, 100_000, 1_000_000), (1_000, 10_000)
ROUNDS, QUICK_ROUNDS = 40, 8
WARM_UP = 3
DATABASES = ("sqlite", "postgres")

OPEN_STATES = frozenset({DriftEventState.OPEN, DriftEventState.IN_REVIEW})
EVENT_FILTERS = {
    "events": EventFilter(),
    "events_open": EventFilter(states=OPEN_STATES),
    "events_systemic": EventFilter(scope=DriftScope.SYSTEMIC),
    "events_three_filters": EventFilter(
        type=DriftType.CONFIDENCE, minimum_severity=Severity.HIGH, scope=DriftScope.LOCAL
    ),
}
SAMPLE_FILTERS = {"samples": SampleFilter(), "samples_open": SampleFilter(state=SampleState.OPEN)}

Ask = Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A database with so many rows in each table."""

    database: Database
    row_count: int
    subjects: Sequence[str]

    def pages(self) -> Mapping[str, Ask]:
        """What is asked, by name."""
        events, packages = SqlDriftStore(self.database), SqlPackageStore(self.database)
        half = self.row_count // 2
        key = (START + timedelta(seconds=half), f"{half:08x}")

        def list_events(wanted: EventFilter) -> Ask:
            return lambda: events.list_events(wanted, after=key, limit=PAGE_SIZE)

        def list_samples(wanted: SampleFilter) -> Ask:
            return lambda: events.list_samples(wanted, after=key, limit=PAGE_SIZE)

        leases = {f"lease_{order.value.lower()}": (order, QueueFilter()) for order in QueueOrder}
        leases["lease_of_device"] = (QueueOrder.VALUE, QueueFilter(device_id="camera-7"))
        pages = {
            EVENTS: {f"{name}_deep": list_events(wanted) for name, wanted in EVENT_FILTERS.items()},
            SAMPLES: {f"{name}_deep": list_samples(wanted) for name, wanted in SAMPLE_FILTERS.items()}
            | {name: self._leasing(order, wanted) for name, (order, wanted) in leases.items()},
            PACKAGES: {"packages_deep": lambda: packages.page(PackageFilter(), after=key, limit=PAGE_SIZE)},
        }
        return {name: ask for subject in self.subjects for name, ask in pages[subject].items()}

    def _leasing(self, order: QueueOrder, wanted: QueueFilter) -> Ask:
        queue, reviewers = SqlQueueStore(self.database), count()

        def ask() -> object:
            request = LeaseRequest(
                reviewer=f"{order.value}{wanted.device_id} {next(reviewers)}",
                wanted=wanted,
                order=order,
                limit=LEASE_SIZE if not wanted.device_id else 1,
                now=START,
                expire_time=START + timedelta(days=1),
                speaker_limit=1,
            )
            return queue.lease(request), queue.count(wanted)

        return ask


@contextmanager
def filled(url: str, row_count: int, subjects: Sequence[str]) -> Iterator[Filled]:
    """A new database, filled."""
    database = Database(url)
    began_s = time.perf_counter()
    database.migrate()
    fill(database, row_count, subjects)
    print(f"  {row_count:,} rows in each table after {time.perf_counter() - began_s:.0f} s", flush=True)
    yield Filled(database=database, row_count=row_count, subjects=subjects)
    database.dispose()


def cost_ms(ask: Ask) -> float:
    """What one page costs."""
    began_s = time.perf_counter()
    ask()
    return (time.perf_counter() - began_s) * 1000


def measure(
    new_url: Callable[[], str], sizes: Sequence[int], subjects: Sequence[str], rounds: int
) -> dict[str, list[float]]:
    """Costs among the fewest rows in ms, and ratios to these, by page and rows."""
    found: dict[str, list[float]] = {}
    with ExitStack() as stack:
        places = [stack.enter_context(filled(new_url(), size, subjects)).pages() for size in sizes]
        for name in places[0]:
            for number in range(WARM_UP + rounds):
                costs = [cost_ms(pages[name]) for pages in places]
                if number >= WARM_UP:
                    found.setdefault(f"{name}_ms", []).append(costs[0])
                    for size, cost in zip(sizes[1:], costs[1:], strict=True):
                        found.setdefault(f"{name}_{size}", []).append(cost / costs[0])
            told = (f"{size:,}: {statistics.median(found[f'{name}_{size}']):.2f}" for size in sizes[1:])
            print(f"  {name} {statistics.median(found[f'{name}_ms']):.2f} ms; {', '.join(told)}", flush=True)
    return found


def quartiles(values: list[float]) -> list[float]:
    """A quarter of the values lies below, another above."""
    low, _, high = statistics.quantiles(values, n=4)
    return [round(low, 3), round(high, 3)]


def main() -> None:
    """Measure, and print one JSON object; `spread` holds quartiles, since single pages vary."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="1,000 and 10,000 rows, within a minute")
    parser.add_argument("--sizes", type=int, nargs="+", help="rows in each table, fewest first")
    parser.add_argument("--subjects", choices=SUBJECTS, nargs="+", default=SUBJECTS)
    parser.add_argument("--databases", choices=DATABASES, nargs="+", default=DATABASES)
    options = parser.parse_args()
    quick = options.quick
    programs = postgresql.binaries()
    if programs is None:
        parser.error("PostgreSQL is missing: apt-get install postgresql")
    sizes, rounds = (QUICK_SIZES, QUICK_ROUNDS) if quick else (SIZES, ROUNDS)
    sizes = options.sizes or sizes
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, postgresql.running_server(programs) as server:
        urls = {
            "sqlite": lambda: f"sqlite:///{tempfile.mkdtemp(dir=Path(folder))}/tinysphere.db",
            "postgres": server.create_database,
        }
        for database in options.databases:
            print(database, flush=True)
            for key, values in measure(urls[database], sizes, options.subjects, rounds).items():
                page, _, last = key.rpartition("_")
                found[f"{page}_{database}_{last}"] = values
    figures = {key: round(statistics.median(values), 3) for key, values in found.items()}
    spread = {key: quartiles(values) for key, values in found.items()}
    print(json.dumps({"name": "review_pages", "quick": quick, "figures": figures, "spread": spread}))


if __name__ == "__main__":
    main()
