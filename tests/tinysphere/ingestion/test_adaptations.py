"""The lineage in packages reaches the drift service: real archives, a real worker, real gRPC between them."""

from datetime import timedelta
from pathlib import Path

import grpc
import pytest

from tests.support.postgresql import free_port
from tests.support.waiting import eventually
from tests.tinysphere.ingestion import builders
from tests.tinysphere.ingestion.builders import ADAPTATIONS, METRICS, Entry, adaptation, delimited, json_lines
from tests.tinysphere.ingestion.conftest import Ingestion, Serve, ShiftedClock, served
from tests.tinysphere.ingestion.test_processing import (
    FAILED,
    PROCESSED,
    SUCCEEDED,
    delay_count,
    processed,
    sent,
    steps_of,
)
from tinymlops.v1 import adaptation_pb2, adaptation_service_pb2, adaptation_service_pb2_grpc, package_pb2
from tinysphere.bootstrap import drift
from tinysphere.settings import Settings
from tinysphere.storage.blobs_files import FileBlobs
from tinysphere.storage.sql.database import Database

CONFIRMED = adaptation_pb2.ADAPTATION_STATE_CONFIRMED


@pytest.fixture
def service(serve: Serve, drift_target: str) -> Ingestion:
    service = serve(drift_target=drift_target)
    service.register()
    return service


def listed(address: str) -> dict[str, adaptation_pb2.Adaptation]:
    """What the drift service knows, as the device told it."""
    with grpc.insecure_channel(address) as channel:
        stub = adaptation_service_pb2_grpc.AdaptationServiceStub(channel)
        request = adaptation_service_pb2.ListAdaptationsRequest(page_size=500)
        found = stub.ListAdaptations(request, timeout=20).adaptations
    for one in found:
        assert one.HasField("receive_time")
        one.ClearField("receive_time")
    return {one.adaptation_id: one for one in found}


@pytest.fixture
def drift_target(drift_service: tuple[str, object]) -> str:
    return drift_service[0]


def test_both_encodings_arrive_in_requests_of_at_most_100(service: Ingestion, drift_target: str) -> None:
    told = [adaptation() for _ in range(305)]
    entries: list[Entry] = [
        ("adaptations.pb", ADAPTATIONS, delimited(told[:250])),
        ("adaptations.jsonl", ADAPTATIONS, json_lines(told[250:])),
    ]
    package = processed(service, entries)
    assert (package.state, steps_of(package)) == (PROCESSED, {"ADAPTATIONS": (SUCCEEDED, 305, 1)})
    assert listed(drift_target) == {one.adaptation_id: one for one in told}


def test_later_packages_move_on_and_repeated_ones_change_nothing(
    service: Ingestion, drift_target: str
) -> None:
    first = adaptation()
    later = adaptation(adaptation_id=first.adaptation_id, state=CONFIRMED, reason="no harm")
    for told, known in [(later, later), (first, later), (later, later)]:
        assert processed(service, [("a.pb", ADAPTATIONS, delimited([told]))]).state == PROCESSED
        (kept,) = listed(drift_target).values()
        assert (kept.state, kept.reason) == (known.state, known.reason)


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (adaptation(device_id="camera-2"), "RECORD_INVALID"),
        (adaptation(description="x" * 1025), "adaptations[1].description"),
        (adaptation(kind=0), "adaptations[1].kind"),
    ],
)
def test_a_bad_adaptation_fails_its_step_with_a_reason(
    service: Ingestion, drift_target: str, bad: adaptation_pb2.Adaptation, told: str
) -> None:
    entries: list[Entry] = [
        ("a.pb", ADAPTATIONS, delimited([adaptation(), bad])),
        ("m.pb", METRICS, delimited([builders.metric_point()])),
    ]
    package = processed(service, entries)
    assert package.state == package_pb2.PACKAGE_STATE_FAILED
    assert steps_of(package) == {"ADAPTATIONS": (FAILED, 0, 1), "METRICS": (SUCCEEDED, 1, 1)}
    assert told in package.steps[0].error
    assert listed(drift_target) == {}, "all or none of a request"


def test_a_drift_service_that_is_away_is_waited_for(serve: Serve, tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    service = serve(drift_target=address)
    service.register()
    told = adaptation()
    package_id = sent(service, [("a.pb", ADAPTATIONS, delimited([told]))])
    eventually(lambda: delay_count(service) > 0)
    settings = Settings(data_dir=tmp_path, ingestion_address=address)
    database = Database(f"sqlite:///{tmp_path}/late.db")
    database.migrate()
    with served(drift.build, settings, database, FileBlobs(tmp_path / "late"), ShiftedClock()):
        service.clock.shift = timedelta(minutes=1)  # whatever the delay was
        assert service.ended(package_id).state == PROCESSED
        assert listed(address) == {told.adaptation_id: told}
    database.dispose()
