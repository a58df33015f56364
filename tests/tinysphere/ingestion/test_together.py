"""Small packages that wait are processed together, and what is wrong with one is no other's trouble."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.tinysphere.ingestion import builders
from tests.tinysphere.ingestion.builders import Entry, delimited, packed
from tests.tinysphere.ingestion.conftest import DriftService, Ingestion, Serve
from tests.tinysphere.ingestion.test_processing import events_in, rows, samples_in, steps_of
from tinymlops.v1 import drift_pb2, package_pb2
from tinysphere.bootstrap.processing import processor
from tinysphere.ingestion import together
from tinysphere.ingestion.client import DriftClient
from tinysphere.settings import Settings
from tinysphere.storage.sql.tables_telemetry import log_records, metric_points

SUCCEEDED, FAILED = package_pb2.STEP_STATE_SUCCEEDED, package_pb2.STEP_STATE_FAILED
PROCESSED, COMMITTED = package_pb2.PACKAGE_STATE_PROCESSED, package_pb2.PACKAGE_STATE_COMMITTED


class CountedClient(DriftClient):
    """Counts what was reported, by call."""

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self.calls: Counter[str] = Counter()

    def report_drift_events(self, events: Sequence[Any]) -> None:
        self.calls["events"] += 1
        super().report_drift_events(events)

    def report_samples(self, samples: Sequence[Any]) -> None:
        self.calls["samples"] += 1
        super().report_samples(samples)


class Worker:
    """Processes what waits, when told."""

    def __init__(self, service: Ingestion, target: str, folder: Path) -> None:
        self.drift = CountedClient(target)
        settings = Settings(data_dir=folder, metric_names_max=2)
        self._processor = processor(settings, service.database, service.blobs, self.drift, service.clock)

    def take(self) -> bool:
        """What is due, once."""
        return self._processor.run_due(lambda: False)

    def work(self) -> None:
        """All that is due."""
        while self.take():
            pass


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """No group is cut short because the machine is busy."""
    monkeypatch.setattr(together, "GROUP_TIME_S", 3600.0)


@pytest.fixture
def service(serve: Serve, drift_service: DriftService) -> Ingestion:
    """It takes packages, and processes none."""
    found = serve(worker_threads=0)
    found.register()
    return found


@pytest.fixture
def worker(service: Ingestion, drift_service: DriftService, tmp_path: Path) -> Iterator[Worker]:
    found = Worker(service, drift_service[0], tmp_path)
    yield found
    found.drift.close()


def entries(number: int, **changes: Any) -> list[Entry]:
    """An event with a sample, a value and a line."""
    event = builders.drift_event()
    sample = builders.sample(drift_event_id=event.drift_event_id, **changes)
    return [
        ("events.pb", builders.DRIFT_EVENTS, delimited([event])),
        ("samples.pb", builders.SAMPLES, delimited([sample])),
        ("metrics.pb", builders.METRICS, delimited([builders.metric_point(value=number)])),
        ("logs.pb", builders.LOGS, delimited([builders.log_record(message=f"line {number}")])),
    ]


def sent(service: Ingestion, content: Sequence[Entry]) -> str:
    return service.put(*packed(content)).descriptor.package_id


def test_packages_that_wait_share_calls_and_transactions(
    service: Ingestion, worker: Worker, drift_service: DriftService
) -> None:
    count = together.GROUP_SIZE + 2
    ids = [sent(service, entries(number)) for number in range(count)]
    worker.work()
    whole = dict.fromkeys(("DRIFT_EVENTS", "SAMPLES", "METRICS", "LOGS"), (SUCCEEDED, 1, 1))
    for package_id in ids:
        package = service.package(package_id)
        assert (package.state, steps_of(package)) == (PROCESSED, whole)
    assert worker.drift.calls == {"events": 2, "samples": 2}
    assert len(events_in(drift_service[1])) == len(samples_in(drift_service[1])) == count
    assert [row[2] for row in rows(service, metric_points)] == list(range(count))  # type: ignore[index]  # a tuple
    assert len(rows(service, log_records)) == count


def test_what_is_wrong_with_one_hides_no_other(
    service: Ingestion, worker: Worker, drift_service: DriftService
) -> None:
    stub = drift_service[1]
    first = sent(service, entries(0))
    worker.work()  # it fixes the dimension of the feature space
    other = drift_pb2.Embedding(values=bytes(12), dimension_count=3, feature_space=builders.SPACE)
    refused_by_drift = sent(service, entries(1, embedding=other))
    bad_value = entries(2)
    bad_value[2] = ("metrics.pb", builders.METRICS, delimited([builders.metric_point(value=float("nan"))]))
    unreadable = sent(service, bad_value)
    many_names = [builders.metric_point(name=f"metric_{number}") for number in range(3)]
    crowded = sent(service, [*entries(3)[:2], ("metrics.pb", builders.METRICS, delimited(many_names))])
    descriptor, content = packed(entries(4))
    damaged = builders.describe(content[:-20], package_id=descriptor.package_id)
    broken = service.put(damaged, content[:-20]).descriptor.package_id
    good = [sent(service, entries(number)) for number in (5, 6)]
    worker.work()
    for package_id in (first, *good):
        assert service.package(package_id).state == PROCESSED
    for package_id, kind, reason in (
        (refused_by_drift, "SAMPLES", "INVALID_FIELD"),
        (unreadable, "METRICS", "RECORD_INVALID"),
        (crowded, "METRICS", "TOO_MANY_METRICS"),
    ):
        package = service.package(package_id)
        assert {name for name, step in steps_of(package).items() if step[0] == FAILED} == {kind}
        assert any(reason in step.error for step in package.steps)
    assert service.package(broken).error_reason == "ARCHIVE_CORRUPT"
    assert len(events_in(stub)) == 6  # each once, those of the failed packages included
    assert len(samples_in(stub)) == 5
    assert [row[2] for row in rows(service, metric_points)] == [0, 1, 5, 6]  # type: ignore[index]  # a tuple
    assert len(rows(service, log_records)) == 5


def test_measurements_are_taken_while_the_drift_service_is_away(service: Ingestion, tmp_path: Path) -> None:
    away = Worker(service, "127.0.0.1:1", tmp_path)
    ids = [sent(service, entries(number)) for number in range(2)]
    away.take()
    for package_id in ids:
        package = service.package(package_id)
        assert package.state == COMMITTED
        assert {name for name, step in steps_of(package).items() if step[0] == SUCCEEDED} == {
            "METRICS",
            "LOGS",
        }
    assert len(rows(service, metric_points)) == len(rows(service, log_records)) == 2
    away.drift.close()


def test_a_slow_group_gives_back_what_it_has_not_begun(
    service: Ingestion, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [sent(service, entries(number)) for number in range(3)]
    monkeypatch.setattr(together, "GROUP_TIME_S", -1.0)
    assert worker.take()
    assert [service.package(package_id).state for package_id in ids] == [PROCESSED, COMMITTED, COMMITTED]
    worker.work()
    assert {service.package(package_id).state for package_id in ids} == {PROCESSED}
