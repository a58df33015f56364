"""An operator waits for a package: every step of it is told, and the stream ends when there is nothing more to tell."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

import grpc
import pytest

from tests.support.refusals import read_refusal, refused
from tests.support.waiting import eventually
from tests.tinysphere.ingestion.builders import (
    DRIFT_EVENTS,
    LOGS,
    METRICS,
    delimited,
    describe,
    drift_event,
    log_record,
    metric_point,
    packed,
)
from tests.tinysphere.ingestion.conftest import FINAL, DriftService, Ingestion, Serve
from tinymlops.v1 import ingestion_service_pb2 as messages
from tinymlops.v1 import package_pb2
from tinysphere.domain.ids import new_id
from tinysphere.ingestion import watching

ENTRIES = [
    ("drift_events.pb", DRIFT_EVENTS, delimited([drift_event()])),
    ("metrics.pb", METRICS, delimited(metric_point(value=number) for number in range(100))),
    ("logs.pb", LOGS, delimited([log_record()])),
]


def watch(service: Ingestion, package_id: str) -> Iterator[package_pb2.Package]:
    stream = service.packages.WatchPackage(messages.WatchPackageRequest(package_id=package_id), timeout=60)
    return (answer.package for answer in stream)


def test_a_package_is_followed_to_its_end(
    serve: Serve, drift_service: DriftService, migrated_url: str
) -> None:
    service = serve(migrated_url, drift_target=drift_service[0])
    service.register()
    descriptor, content = packed(ENTRIES)
    request = messages.CreateUploadRequest(descriptor=descriptor)
    service.packages.CreateUpload(request)
    answers = watch(service, descriptor.package_id)
    assert next(answers).state == package_pb2.PACKAGE_STATE_UPLOADING
    service.put(descriptor, content)
    seen = list(answers)
    assert seen[-1].state == package_pb2.PACKAGE_STATE_PROCESSED
    assert [step.record_count for step in seen[-1].steps] == [1, 100, 1]
    assert seen[-1] == service.package(descriptor.package_id)
    assert all(one.state not in FINAL for one in seen[:-1])
    assert all(first.state <= second.state for first, second in pairwise(seen))
    (again,) = watch(service, descriptor.package_id)
    assert again == seen[-1]


def test_a_package_that_waits_gives_a_sign_of_life(
    service: Ingestion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "SIGN_OF_LIFE_S", 0.1)
    descriptor, content = packed(ENTRIES)  # nobody listens where its events go
    service.put(descriptor, content)
    answers = watch(service, descriptor.package_id)
    eventually(
        lambda: [step.state for step in next(answers).steps][1:] == [package_pb2.STEP_STATE_SUCCEEDED] * 2
    )
    still = [next(answers) for _ in range(3)]
    assert all(one.steps[0].state == package_pb2.STEP_STATE_PENDING for one in still)


def test_a_watch_is_bounded(service: Ingestion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LONGEST_WATCH_S", 0.2)
    descriptor, content = packed(ENTRIES)
    service.put(descriptor, content)
    assert list(watch(service, descriptor.package_id))[-1].state not in FINAL


def test_nobody_knows_the_package(service: Ingestion) -> None:
    request = messages.WatchPackageRequest(package_id=new_id())
    assert refused(service.packages.WatchPackage, request).kind == ("NOT_FOUND", "PACKAGE_NOT_FOUND")
    assert refused(service.packages.WatchPackage, messages.WatchPackageRequest()).field == "package_id"


def test_a_watcher_that_leaves_frees_its_thread(serve: Serve) -> None:
    service = serve(rpc_threads=4, rpc_stream_share=0.25)  # room for one stream
    service.register()
    descriptor = describe(b"content")
    service.packages.CreateUpload(messages.CreateUploadRequest(descriptor=descriptor))
    request = messages.WatchPackageRequest(package_id=descriptor.package_id)
    for _ in range(3):
        stream = eventually(lambda: opened(service, request))
        assert next(stream).package.state == package_pb2.PACKAGE_STATE_UPLOADING
        assert refused(service.packages.WatchPackage, request).kind == (
            "RESOURCE_EXHAUSTED",
            "TOO_MANY_STREAMS",
        )
        stream.cancel()


def opened(service: Ingestion, request: messages.WatchPackageRequest):  # type: ignore[no-untyped-def]  # a call
    """A stream that was let in, not yet read beyond what tells so; None when there was no room."""
    stream = service.packages.WatchPackage(request, timeout=60)
    first = service.packages.GetPackage(messages.GetPackageRequest(package_id=request.package_id))
    assert first.package
    try:
        stream.initial_metadata()
    except grpc.RpcError:
        return None
    return stream if stream.is_active() else None


def test_a_server_that_ends_shows_its_watchers_out(service: Ingestion) -> None:
    descriptor = describe(b"content")
    service.packages.CreateUpload(messages.CreateUploadRequest(descriptor=descriptor))
    answers = watch(service, descriptor.package_id)
    next(answers)
    stopping = threading.Thread(target=service.server.stop, args=(30,))
    stopping.start()
    with pytest.raises(grpc.RpcError) as caught:
        for _ in answers:
            pass
    assert read_refusal(caught.value).kind == ("UNAVAILABLE", "DRAINING")
    stopping.join()


def test_changes_that_come_late_are_told(serve: Serve) -> None:
    service = serve()
    service.register()
    descriptor, content = packed([("logs.pb", LOGS, delimited([log_record()]))])
    service.packages.CreateUpload(messages.CreateUploadRequest(descriptor=descriptor))
    answers = watch(service, descriptor.package_id)
    first = next(answers)
    service.clock.shift = timedelta(seconds=1)
    service.put(descriptor, content)
    assert first.state == package_pb2.PACKAGE_STATE_UPLOADING
    assert list(answers)[-1].HasField("process_time")
