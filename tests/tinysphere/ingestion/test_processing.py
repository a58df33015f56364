"""Packages become knowledge: real archives, a real worker, a real drift service behind real gRPC."""

import io
import random
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
import sqlalchemy as sa

from tests.support.postgresql import PostgresServer, free_port
from tests.support.refusals import refused
from tests.support.waiting import eventually
from tests.tinysphere.ingestion import builders, sender
from tests.tinysphere.ingestion.builders import (
    DRIFT_EVENTS,
    FORMATS,
    LOGS,
    METRICS,
    MODEL_STATE,
    PNG,
    PREDICTION_IMAGES,
    SAMPLES,
    Entry,
    archived,
    delimited,
    describe,
    drift_event,
    json_lines,
    log_record,
    metric_point,
    packed,
    sample,
    sha256,
)
from tests.tinysphere.ingestion.conftest import DriftService, Ingestion, Serve, ShiftedClock, served
from tinymlops.v1 import drift_pb2, drift_service_pb2, drift_service_pb2_grpc, package_pb2
from tinymlops.v1 import ingestion_service_pb2 as messages
from tinysphere.bootstrap import drift
from tinysphere.domain.ids import new_id
from tinysphere.errors import InvalidRequestError
from tinysphere.ingestion.archive.member import Member
from tinysphere.ingestion.convert.records import read_log_records
from tinysphere.settings import Settings
from tinysphere.storage.blobs_files import FileBlobs
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.tables_ingestion import package_files, package_steps, packages
from tinysphere.storage.sql.tables_telemetry import log_records, metric_hours, metric_minutes, metric_points

PENDING, SUCCEEDED, FAILED = (
    package_pb2.STEP_STATE_PENDING,
    package_pb2.STEP_STATE_SUCCEEDED,
    package_pb2.STEP_STATE_FAILED,
)
PROCESSED = package_pb2.PACKAGE_STATE_PROCESSED
TAKEN = (metric_points, metric_minutes, metric_hours, log_records, package_files)


@pytest.fixture
def pair(
    serve: Serve, drift_service: DriftService
) -> tuple[Ingestion, drift_service_pb2_grpc.DriftServiceStub]:
    """Ingestion and the drift service it reports to."""
    target, stub = drift_service
    service = serve(drift_target=target)
    service.register()
    return service, stub


Pair = tuple[Ingestion, drift_service_pb2_grpc.DriftServiceStub]


def sent(service: Ingestion, entries: Sequence[Entry], package_format: int = builders.TAR_ZSTD) -> str:
    descriptor, content = packed(entries, package_format)  # type: ignore[arg-type]  # one of FORMATS
    return service.put(descriptor, content).descriptor.package_id


def processed(service: Ingestion, entries: Sequence[Entry]) -> package_pb2.Package:
    return service.ended(sent(service, entries))


def steps_of(package: package_pb2.Package) -> dict[str, tuple[int, int, int]]:
    """State, records and attempts by kind."""
    return {
        package_pb2.EntryKind.Name(step.kind).removeprefix("ENTRY_KIND_"): (
            step.state,
            step.record_count,
            step.attempt_count,
        )
        for step in package.steps
    }


def events_in(stub: drift_service_pb2_grpc.DriftServiceStub) -> list[drift_pb2.DriftEvent]:
    """As reported: without what the server finds out about them in its own time."""
    events = list(stub.ListDriftEvents(drift_service_pb2.ListDriftEventsRequest(page_size=500)).drift_events)
    for event in events:
        event.ClearField("scope")
        event.ClearField("scope_reason")
    return events


def samples_in(stub: drift_service_pb2_grpc.DriftServiceStub) -> list[drift_pb2.Sample]:
    """As reported: without the group the server finds for them in its own time."""
    samples = list(stub.ListSamples(drift_service_pb2.ListSamplesRequest(page_size=500)).samples)
    for found in samples:
        found.ClearField("group_id")
        found.ClearField("group_similarity")
    return samples


def rows(service: Ingestion, table: sa.Table) -> list[object]:
    with service.database.reading() as connection:
        return [tuple(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key))]


def everything() -> tuple[list[Entry], drift_pb2.DriftEvent, list[drift_pb2.Sample]]:
    event = drift_event()
    samples = [sample(drift_event_id=event.drift_event_id, source_index=number) for number in range(5)]
    entries: list[Entry] = [
        ("logs.jsonl", LOGS, json_lines([log_record(), log_record(level="ERROR", message="ü")])),
        ("samples-1.pb", SAMPLES, delimited(samples[:3])),
        ("drift_events.pb", DRIFT_EVENTS, delimited([event])),
        ("samples-2.jsonl", SAMPLES, json_lines(samples[3:])),
        ("metrics/a.pb", METRICS, delimited([metric_point(value=number) for number in range(2500)])),
        ("metrics/b.pb", METRICS, delimited([metric_point(value=-1.0)])),
        ("images/1.png", PREDICTION_IMAGES, PNG),
        ("state.npz", MODEL_STATE, b"learned"),
    ]
    return entries, event, samples


@pytest.mark.parametrize("package_format", FORMATS.values(), ids=FORMATS)
def test_every_kind_of_entry_finds_its_place(pair: Pair, package_format: int) -> None:
    service, stub = pair
    entries, event, samples = everything()
    package = service.ended(sent(service, entries, package_format))
    assert package.state == PROCESSED, package
    assert package.HasField("process_time")
    assert steps_of(package) == {
        "DRIFT_EVENTS": (SUCCEEDED, 1, 1),
        "SAMPLES": (SUCCEEDED, 5, 1),
        "METRICS": (SUCCEEDED, 2501, 1),
        "LOGS": (SUCCEEDED, 2, 1),
        "PREDICTION_IMAGES": (SUCCEEDED, 1, 1),
        "MODEL_STATE": (SUCCEEDED, 1, 1),
    }
    (known,) = events_in(stub)
    assert (known.drift_event_id, known.statistic, known.sample_count) == (event.drift_event_id, 31.5, 5)
    assert {s.sample_id: s.embedding for s in samples_in(stub)} == {s.sample_id: s.embedding for s in samples}
    values = [row[2] for row in rows(service, metric_points)]  # type: ignore[index]  # a row's tuple
    assert values == [-1.0, *range(2500)]
    assert len(rows(service, log_records)) == 2
    assert len(rows(service, package_files)) == 2
    assert b"".join(service.blobs.open(sha256(PNG))) == PNG
    assert b"".join(service.blobs.open(sha256(b"learned"))) == b"learned"


def test_processing_twice_changes_nothing(pair: Pair) -> None:
    service, stub = pair
    entries, _, _ = everything()
    package = processed(service, entries)
    before = (events_in(stub), samples_in(stub), *(rows(service, table) for table in TAKEN))
    with (
        service.database.transaction() as connection
    ):  # as if the worker died before it could record anything
        connection.execute(sa.update(package_steps).values(state="PENDING"))
        connection.execute(
            sa.update(packages).values(state="COMMITTED", process_time=None, due_time=service.clock.now())
        )
    again = service.ended(package.descriptor.package_id)
    assert again.state == PROCESSED
    assert {attempts for _, _, attempts in steps_of(again).values()} == {2}
    after = (events_in(stub), samples_in(stub), *(rows(service, table) for table in TAKEN))
    assert after == before


def test_a_package_may_be_empty(pair: Pair) -> None:
    package = processed(pair[0], [])
    assert (package.state, list(package.steps)) == (PROCESSED, [])


def test_large_samples_are_split_over_several_calls(pair: Pair) -> None:
    service, stub = pair
    rng = random.Random(4)
    samples = [sample(image=PNG + rng.randbytes(900 * 1024), source_index=number) for number in range(6)]
    descriptor, content = packed([("samples.pb", SAMPLES, delimited(samples))])
    upload = service.packages.CreateUpload(messages.CreateUploadRequest(descriptor=descriptor)).upload
    sender.sent(service.packages, upload, content)
    assert service.ended(descriptor.package_id).state == PROCESSED
    assert {s.sample_id for s in samples_in(stub)} == {s.sample_id for s in samples}


def test_a_failed_step_shows_and_hides_no_other(pair: Pair) -> None:
    service, stub = pair
    wrong_dimension = drift_pb2.Embedding(values=bytes(12), dimension_count=3, feature_space=builders.SPACE)
    entries: list[Entry] = [
        ("samples.pb", SAMPLES, delimited([sample()])),
        ("metrics.pb", METRICS, delimited([metric_point()])),
    ]
    assert processed(service, entries).state == PROCESSED
    entries[0] = ("samples.pb", SAMPLES, delimited([sample(), sample(embedding=wrong_dimension)]))
    package = processed(service, entries)
    assert package.state == package_pb2.PACKAGE_STATE_FAILED
    assert package.error_reason == ""
    assert steps_of(package) == {"SAMPLES": (FAILED, 0, 1), "METRICS": (SUCCEEDED, 1, 1)}
    assert "INVALID_FIELD" in package.steps[0].error
    assert len(samples_in(stub)) == 1  # all or none of a call
    request = messages.RetryPackageRequest(package_id=package.descriptor.package_id)
    retried = service.packages.RetryPackage(request).package
    assert retried.steps[0].error == ""
    again = eventually(lambda: failed_again(service, package.descriptor.package_id))
    assert steps_of(again) == {"SAMPLES": (FAILED, 0, 2), "METRICS": (SUCCEEDED, 1, 1)}
    done = processed(service, entries[1:])
    request.package_id = done.descriptor.package_id
    assert refused(service.packages.RetryPackage, request).kind == (
        "FAILED_PRECONDITION",
        "PACKAGE_NOT_FAILED",
    )


def failed_again(service: Ingestion, package_id: str) -> package_pb2.Package | None:
    package = service.ended(package_id)
    return package if package.steps[0].attempt_count == 2 else None


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (("e.pb", DRIFT_EVENTS, delimited([drift_event(device_id="camera-2")])), "RECORD_INVALID"),
        (("s.pb", SAMPLES, delimited([sample(device_id="camera-2")])), "RECORD_INVALID"),
        (("e.pb", DRIFT_EVENTS, delimited([drift_event(detector="")])), "INVALID_FIELD"),
        (("m.pb", METRICS, delimited([metric_point()])[:-1]), "RECORDS_UNREADABLE"),
        (("m.pb", METRICS, b"\x03\xff\xff\xff"), "RECORDS_UNREADABLE"),
        (("m.pb", METRICS, b"\xff\xff\xff\xff\xff\x0f"), "RECORDS_UNREADABLE"),
        (("m.pb", METRICS, builders.varint(2 * 2**20 + 1)), "RECORDS_UNREADABLE"),
        (("m.jsonl", METRICS, b'{"name": '), "RECORDS_UNREADABLE"),
        (("m.jsonl", METRICS, b"[" * 100_000), "RECORDS_UNREADABLE"),
        (("m.jsonl", METRICS, b"\xff\n"), "RECORDS_UNREADABLE"),
        (("m.csv", METRICS, b"name,value"), "RECORDS_UNREADABLE"),
        (("m.pb", METRICS, delimited([metric_point(value=float("nan"))])), "record 1: value"),
        (("m.pb", METRICS, delimited([metric_point(), metric_point(name="Upper")])), "record 2: name"),
        (("m.pb", METRICS, delimited([metric_point(measure_time=None)])), "record 1: measure_time"),
        (("l.pb", LOGS, delimited([log_record(level="LOUD")])), "record 1: level"),
        (("l.pb", LOGS, delimited([log_record(message="x" * 4097)])), "record 1: message"),
        (("i.png", PREDICTION_IMAGES, b"GIF89a"), "IMAGE_UNREADABLE"),
    ],
)
def test_bad_records_fail_their_step_with_a_reason(pair: Pair, entry: Entry, told: str) -> None:
    package = processed(pair[0], [entry])
    assert package.state == package_pb2.PACKAGE_STATE_FAILED
    (step,) = package.steps
    assert step.state == FAILED
    assert told in step.error


def test_lines_may_be_blank_or_lack_their_end(pair: Pair) -> None:
    lines = json_lines([log_record()]) + b"\n" + json_lines([log_record()]).rstrip()
    assert steps_of(processed(pair[0], [("l.jsonl", LOGS, lines)])) == {"LOGS": (SUCCEEDED, 2, 1)}


def test_an_endless_line_ends() -> None:
    endless = io.BytesIO(b'"' + b"x" * (4 * 2**20))
    file = Member("l.jsonl", 4 * 2**20, endless.read)
    with pytest.raises(InvalidRequestError, match="a line is longer"):
        list(read_log_records(file, lambda moment: moment))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no archive at all", "ARCHIVE_CORRUPT"),
        (archived([("notes.txt", b"no manifest")], builders.TAR_ZSTD), "MANIFEST_MISSING"),
        (archived([("manifest.json", b"{}")], builders.TAR_ZSTD), "MANIFEST_INVALID"),
        (archived([("manifest.json", b"{}"), ("../x", b"")], builders.TAR_ZSTD), "MANIFEST_INVALID"),
        (archived([("manifest.json", bytes(8 * 2**20))], builders.TAR_ZSTD), "MANIFEST_INVALID"),
    ],
)
def test_a_bad_archive_fails_its_package_with_a_reason(pair: Pair, content: bytes, reason: str) -> None:
    service, _ = pair
    receipt = service.put(describe(content, builders.TAR_ZSTD), content)
    assert receipt.state == package_pb2.PACKAGE_STATE_COMMITTED  # the device may forget it
    package = service.ended(receipt.descriptor.package_id)
    assert package.state == package_pb2.PACKAGE_STATE_FAILED
    assert package.error_reason == reason
    assert package.error
    assert list(package.steps) == []
    request = messages.RetryPackageRequest(package_id=package.descriptor.package_id)
    assert service.packages.RetryPackage(request).package.error_reason == ""
    assert service.ended(package.descriptor.package_id).error_reason == package.error_reason


def test_nothing_of_a_refused_archive_is_taken_over(pair: Pair) -> None:
    service, stub = pair
    package_id = new_id()
    entries: list[Entry] = [
        ("drift_events.pb", DRIFT_EVENTS, delimited([drift_event()])),
        ("metrics.pb", METRICS, delimited([metric_point()])),
    ]
    listed = builders.manifest(package_id, entries)
    files = [("manifest.json", listed), entries[0][::2], ("metrics.pb", b"something else")]
    content = archived(files, builders.TAR_ZSTD)  # type: ignore[arg-type]  # pairs of path and bytes
    service.put(describe(content, builders.TAR_ZSTD, package_id=package_id), content)
    assert service.ended(package_id).error_reason == "ENTRY_MISMATCH"
    assert events_in(stub) == []


def test_a_drift_service_that_is_away_is_waited_for(serve: Serve, tmp_path: Path) -> None:
    port = free_port()
    service = serve(drift_target=f"127.0.0.1:{port}")
    service.register()
    package_id = sent(
        service,
        [
            ("drift_events.pb", DRIFT_EVENTS, delimited([drift_event()])),
            ("metrics.pb", METRICS, delimited([metric_point()])),
        ],
    )
    eventually(lambda: delay_count(service) > 0)
    waiting = service.package(package_id)
    assert waiting.state in (package_pb2.PACKAGE_STATE_COMMITTED, package_pb2.PACKAGE_STATE_PROCESSING)
    assert {kind: state for kind, (state, _, _) in steps_of(waiting).items()} == {
        "DRIFT_EVENTS": PENDING,
        "METRICS": SUCCEEDED,  # waits for nobody
    }
    settings = Settings(data_dir=tmp_path, ingestion_address=f"127.0.0.1:{port}")
    database = Database(f"sqlite:///{tmp_path}/late.db")
    database.migrate()
    with served(drift.build, settings, database, FileBlobs(tmp_path / "late"), ShiftedClock()) as (
        _,
        address,
    ):
        service.clock.shift = timedelta(minutes=1)  # whatever the delay was
        package = service.ended(package_id)
        assert package.state == PROCESSED
        with grpc.insecure_channel(address) as channel:
            assert len(events_in(drift_service_pb2_grpc.DriftServiceStub(channel))) == 1
    database.dispose()


def delay_count(service: Ingestion) -> int:
    with service.database.reading() as connection:
        return connection.execute(sa.select(packages.c.delay_count)).scalar_one()


def test_a_package_that_ends_every_worker_is_given_up(pair: Pair) -> None:
    service, _ = pair
    package = processed(service, [("metrics.pb", METRICS, delimited([metric_point()]))])
    with service.database.transaction() as connection:
        connection.execute(
            sa.update(packages).values(state="PROCESSING", crash_count=9, due_time=service.clock.now())
        )
    again = service.ended(package.descriptor.package_id)
    assert again.error_reason == "PROCESSING_CRASHED"


def test_a_lost_blob_fails_the_package(pair: Pair) -> None:
    service, _ = pair
    state = random.Random(7).randbytes(100_000)  # too large to be kept beside its row
    descriptor, content = packed([("state.npz", MODEL_STATE, state)])
    service.put(descriptor, content)
    service.ended(descriptor.package_id)
    service.blobs.delete(descriptor.sha256)
    with service.database.transaction() as connection:
        connection.execute(sa.delete(package_steps))
        connection.execute(sa.update(packages).values(state="COMMITTED", due_time=service.clock.now()))
    assert eventually(lambda: service.ended(descriptor.package_id).error_reason) == "BLOB_NOT_FOUND"


def test_packages_over_postgresql(
    serve: Serve, drift_service: DriftService, postgres_server: PostgresServer
) -> None:
    target, stub = drift_service
    service = serve(postgres_server.create_database(), drift_target=target)
    service.register()
    entries, _, _ = everything()
    ids = [sent(service, entries) for _ in range(5)]
    assert {service.ended(package_id).state for package_id in ids} == {PROCESSED}
    assert len(events_in(stub)) == 1
    assert len(samples_in(stub)) == 5
    assert len(rows(service, metric_points)) == 2501  # the same points, five times
    assert len(rows(service, log_records)) == 5 * 2
