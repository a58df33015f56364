"""What became of the packages: where each stands, and what they left behind."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import grpc
import sqlalchemy as sa

from tests.reliability.workers_load import LINES, POINTS, SAMPLES
from tinymlops.v1 import drift_service_pb2, drift_service_pb2_grpc
from tinysphere.domain.packages import PackageState, StepState
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.packages import SqlPackageStore
from tinysphere.storage.sql.tables_ingestion import packages

_RECORDS = {"DRIFT_EVENTS": 1, "SAMPLES": SAMPLES, "METRICS": POINTS, "LOGS": LINES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Counts of broken promises, and of what was seen."""

    stuck: int
    lost: int
    doubled: int
    crashed_claims: int
    most_claims_crashed: int


def states(database: Database) -> dict[str, int]:
    """Packages by state."""
    query = sa.select(packages.c.state, sa.func.count()).group_by(packages.c.state)
    with database.reading() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def outcome(database: Database, drift_target: str, receipts: Iterable[str]) -> Outcome:
    """Compare what is there with what was sent; to be called when nothing is due any more."""
    store, ids = SqlPackageStore(database), list(receipts)
    seen = [store.get(package_id) for package_id in ids]
    whole = [
        package is not None
        and package.state is PackageState.PROCESSED
        and {step.kind.value: step.record_count for step in package.steps} == _RECORDS
        and all(step.state is StepState.SUCCEEDED for step in package.steps)
        for package in seen
    ]
    samples = _samples_by_event(drift_target)
    left = {
        "events": (len(samples), len(ids)),
        "samples": (sum(samples.values()), SAMPLES * len(ids)),
        "points": (_count(database, "metric_points"), POINTS * len(ids)),
        "lines": (_count(database, "log_records"), LINES * len(ids)),
    }
    crashes = _crash_counts(database)
    ended = {PackageState.PROCESSED.value, PackageState.FAILED.value}
    return Outcome(
        stuck=sum(count for state, count in states(database).items() if state not in ended),
        lost=whole.count(False) + sum(max(0, wanted - found) for found, wanted in left.values()),
        doubled=sum(max(0, found - wanted) for found, wanted in left.values())
        + sum(count != SAMPLES for count in samples.values()),
        crashed_claims=sum(crashes),
        most_claims_crashed=max(crashes, default=0),
    )


def _samples_by_event(target: str) -> dict[str, int]:
    found: dict[str, int] = {}
    with grpc.insecure_channel(target) as channel:
        stub = drift_service_pb2_grpc.DriftServiceStub(channel)
        request = drift_service_pb2.ListDriftEventsRequest(page_size=500)
        while True:
            page = stub.ListDriftEvents(request, timeout=60)
            found |= {event.drift_event_id: event.sample_count for event in page.drift_events}
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token


def _crash_counts(database: Database) -> list[int]:
    with database.reading() as connection:
        return list(connection.scalars(sa.select(packages.c.crash_count)))


def _count(database: Database, table: str) -> int:
    with database.reading() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(sa.table(table))).scalar_one()
