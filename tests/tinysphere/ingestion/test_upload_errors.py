"""Every row of the contract's table of upload errors, through real gRPC, and that nothing is lost by it."""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.support.refusals import refused
from tests.support.waiting import eventually
from tests.tinysphere.ingestion.builders import ZIP, describe, sha256
from tests.tinysphere.ingestion.conftest import KIB, Ingestion, Serve
from tests.tinysphere.ingestion.sender import Sender, sent
from tests.tinysphere.ingestion.test_uploads import arrived
from tinymlops.v1 import ingestion_service_pb2 as messages
from tinymlops.v1 import package_pb2
from tinysphere.domain.ids import new_id
from tinysphere.storage.sql.uploads import SqlUploadStore

CONTENT = random.Random(3).randbytes(100 * KIB)
OTHER = CONTENT[:-1] + b"?"


def committed(service: Ingestion, upload_id: str) -> int:
    return service.upload(upload_id).committed_offset


def started(service: Ingestion, size: int = 80 * KIB) -> package_pb2.Upload:
    """An upload with some bytes committed and no stream."""
    upload = service.create(CONTENT)
    with Sender(service.packages, upload.upload_id) as sender:
        sender.chunks(CONTENT, 0, size)
        sender.close()
        sender.rest()
    return service.upload(upload.upload_id)


def completes(service: Ingestion, upload_id: str) -> bool:
    """Whether the upload can still be completed by sending what it says is missing."""
    sent(service.packages, service.upload(upload_id), CONTENT)
    return b"".join(service.blobs.open(sha256(CONTENT))) == CONTENT


def test_opening_above_what_is_committed(service: Ingestion) -> None:
    upload = started(service)
    with Sender(service.packages, upload.upload_id, 80 * KIB + 1) as sender:
        refusal = sender.refusal()
    assert refusal.kind == ("FAILED_PRECONDITION", "UPLOAD_OFFSET_MISMATCH")
    assert refusal.metadata == {"committed_offset": str(80 * KIB)}
    assert completes(service, upload.upload_id)


@pytest.mark.parametrize("offset", [10 * KIB + 1, 10 * KIB - 1, 0, 2**62])
def test_a_chunk_that_does_not_follow_the_one_before(service: Ingestion, offset: int) -> None:
    upload = service.create(CONTENT)
    with Sender(service.packages, upload.upload_id) as sender:
        sender.chunk(0, CONTENT[: 10 * KIB])
        sender.chunk(offset, CONTENT[offset : offset + KIB] or b"x")
        refusal = sender.refusal()
    assert refusal.kind == ("FAILED_PRECONDITION", "UPLOAD_OFFSET_MISMATCH")
    assert refusal.metadata == {"committed_offset": str(10 * KIB)}
    assert committed(service, upload.upload_id) == 10 * KIB
    assert completes(service, upload.upload_id)


def test_a_negative_offset(service: Ingestion) -> None:
    upload = started(service)
    with Sender(service.packages, upload.upload_id, -1) as sender:
        assert sender.refusal().kind == ("FAILED_PRECONDITION", "UPLOAD_OFFSET_MISMATCH")


def test_a_newer_writer(service: Ingestion) -> None:
    upload = service.create(CONTENT)
    with Sender(service.packages, upload.upload_id) as older:
        older.chunks(CONTENT, 0, 64 * KIB)
        older.acknowledged()
        with Sender(service.packages, upload.upload_id, 64 * KIB) as newer:
            newer.chunks(CONTENT, 64 * KIB)
            newer.finish()
            newer.done()
            refusal = older.refusal()
    assert refusal.kind == ("ABORTED", "UPLOAD_SUPERSEDED")
    assert refusal.retry_after_s is None


def test_an_unknown_upload(service: Ingestion) -> None:
    unknown = new_id()
    with Sender(service.packages, unknown) as sender:
        assert sender.refusal().kind == ("NOT_FOUND", "UPLOAD_NOT_FOUND")
    for call in (
        lambda: service.upload(unknown),
        lambda: service.packages.CancelUpload(messages.CancelUploadRequest(upload_id=unknown)),
    ):
        assert refused(call).kind == ("NOT_FOUND", "UPLOAD_NOT_FOUND")


def test_a_cancelled_upload(service: Ingestion) -> None:
    upload = started(service)
    service.packages.CancelUpload(messages.CancelUploadRequest(upload_id=upload.upload_id))
    with Sender(service.packages, upload.upload_id) as sender:
        assert sender.refusal().kind == ("NOT_FOUND", "UPLOAD_NOT_FOUND")
    again = service.create(CONTENT, package_id=upload.package_id)
    assert again.upload_id != upload.upload_id
    assert completes(service, again.upload_id)


def test_an_expired_upload(serve: Serve) -> None:
    service = serve(sweep_interval_s=0.05)
    service.register()
    upload = started(service)
    service.clock.shift = timedelta(days=8)
    eventually(lambda: service.upload(upload.upload_id).state == package_pb2.UPLOAD_STATE_EXPIRED)
    with Sender(service.packages, upload.upload_id) as sender:
        assert sender.refusal().kind == ("NOT_FOUND", "UPLOAD_EXPIRED")
    again = service.create(CONTENT, package_id=upload.package_id)
    assert completes(service, again.upload_id)


def test_a_damaged_chunk(service: Ingestion) -> None:
    upload = service.create(CONTENT)
    with Sender(service.packages, upload.upload_id) as sender:
        sender.chunk(0, CONTENT[: 10 * KIB])
        sender.chunk(10 * KIB, CONTENT[10 * KIB : 12 * KIB], crc32c=1)
        refusal = sender.refusal()
    assert refusal.kind == ("DATA_LOSS", "CHUNK_CORRUPT")
    assert refusal.metadata == {"offset": str(10 * KIB)}
    assert committed(service, upload.upload_id) == 10 * KIB
    assert completes(service, upload.upload_id)


@pytest.mark.parametrize("content", [OTHER, CONTENT[:-1]], ids=["digest", "size"])
def test_the_whole_is_not_what_was_announced(service: Ingestion, content: bytes) -> None:
    upload = service.create(CONTENT)
    with Sender(service.packages, upload.upload_id) as sender:
        sender.chunks(content)
        sender.finish()
        refusal = sender.refusal()
    assert refusal.kind == ("INVALID_ARGUMENT", "DIGEST_MISMATCH")
    assert committed(service, upload.upload_id) == 0
    assert service.package(upload.package_id).state == package_pb2.PACKAGE_STATE_UPLOADING
    assert completes(service, upload.upload_id)


def test_more_bytes_than_announced(service: Ingestion) -> None:
    upload = service.create(CONTENT)
    with Sender(service.packages, upload.upload_id) as sender:
        sender.chunks(CONTENT + b"!")
        refusal = sender.refusal()
    assert refusal.kind == ("INVALID_ARGUMENT", "DIGEST_MISMATCH")
    assert committed(service, upload.upload_id) == 0
    assert completes(service, upload.upload_id)


@pytest.mark.parametrize(
    "changes", [{"sha256": sha256(OTHER)}, {"size_bytes": len(CONTENT) + 1}], ids=["digest", "size"]
)
def test_a_small_package_that_is_not_what_was_announced(service: Ingestion, changes: dict[str, Any]) -> None:
    descriptor = describe(CONTENT, **changes)
    assert refused(service.put, descriptor, CONTENT).kind == ("INVALID_ARGUMENT", "DIGEST_MISMATCH")
    request = messages.GetPackageRequest(package_id=descriptor.package_id)
    assert refused(service.packages.GetPackage, request).kind == ("NOT_FOUND", "PACKAGE_NOT_FOUND")
    assert service.put(describe(CONTENT, package_id=descriptor.package_id), CONTENT)


def test_too_large_for_one_request(service: Ingestion) -> None:
    content = bytes(1024 * KIB + 1)
    refusal = refused(service.put, describe(content), content)
    assert refusal.kind == ("RESOURCE_EXHAUSTED", "PACKAGE_TOO_LARGE")
    assert refusal.retry_after_s is None


def test_too_large_at_all(serve: Serve) -> None:
    service = serve(package_max_bytes=100 * KIB - 1)
    service.register()
    refusal = refused(service.create, CONTENT)
    assert refusal.kind == ("RESOURCE_EXHAUSTED", "PACKAGE_TOO_LARGE")
    assert refusal.retry_after_s is None


def test_too_many_unfinished_bytes(serve: Serve) -> None:
    service = serve(upload_quota_bytes=150 * KIB)
    service.register()
    upload = service.create(CONTENT)
    refusal = refused(service.create, OTHER)
    assert refusal.kind == ("RESOURCE_EXHAUSTED", "UPLOAD_QUOTA_EXCEEDED")
    assert refusal.retry_after_s
    assert completes(service, upload.upload_id)
    assert service.create(OTHER)


def test_a_full_disk(serve: Serve) -> None:
    service = serve(disk_floor_bytes=2**60)
    service.register()
    for call in (lambda: service.create(CONTENT), lambda: service.put(describe(CONTENT), CONTENT)):
        refusal = refused(call)
        assert refusal.kind == ("RESOURCE_EXHAUSTED", "DISK_FULL")
        assert refusal.retry_after_s


def test_too_many_streams(serve: Serve) -> None:
    service = serve(rpc_threads=4, rpc_stream_share=0.25)
    service.register()
    upload, other = service.create(CONTENT), service.create(OTHER)
    with Sender(service.packages, upload.upload_id) as sender:
        sender.chunks(CONTENT, 0, 64 * KIB)
        sender.acknowledged()
        with Sender(service.packages, other.upload_id) as second:
            refusal = second.refusal()
        assert refusal.kind == ("RESOURCE_EXHAUSTED", "TOO_MANY_STREAMS")
        assert refusal.retry_after_s
        sender.chunks(CONTENT, 64 * KIB)
        sender.finish()
        sender.done()
    assert eventually(lambda: sent(service.packages, other, OTHER))


def test_an_unknown_device(service: Ingestion) -> None:
    descriptor = describe(CONTENT, device_id="stranger")
    for call in (
        lambda: service.put(descriptor, CONTENT),
        lambda: service.create(CONTENT, device_id="stranger"),
    ):
        assert refused(call).kind == ("NOT_FOUND", "DEVICE_NOT_FOUND")
    assert service.blobs.size(descriptor.sha256) is None
    service.register("stranger")
    assert service.put(descriptor, CONTENT)


def test_an_id_that_is_taken(service: Ingestion) -> None:
    descriptor = describe(CONTENT)
    service.put(descriptor, CONTENT)
    other = describe(OTHER, package_id=descriptor.package_id)
    assert refused(service.put, other, OTHER).kind == ("ALREADY_EXISTS", "PACKAGE_CONFLICT")
    request = messages.CreateUploadRequest(descriptor=other)
    assert refused(service.packages.CreateUpload, request).kind == ("ALREADY_EXISTS", "PACKAGE_CONFLICT")
    assert service.package(descriptor.package_id).descriptor == descriptor


def test_cancelling_what_is_finished(service: Ingestion) -> None:
    upload = service.create(CONTENT)
    sent(service.packages, upload, CONTENT)
    request = messages.CancelUploadRequest(upload_id=upload.upload_id)
    assert refused(service.packages.CancelUpload, request).kind == ("FAILED_PRECONDITION", "UPLOAD_FINISHED")
    assert b"".join(service.blobs.open(sha256(CONTENT))) == CONTENT


def test_a_draining_server(service: Ingestion) -> None:
    upload = service.create(CONTENT)
    with Sender(service.packages, upload.upload_id) as sender:
        sender.chunks(CONTENT, 0, 80 * KIB)
        sender.acknowledged()
        eventually(lambda: arrived(service) == 80 * KIB)
        service.server.stop(grace_s=3600)  # the sender is silent, and nobody waits for it
        refusal = sender.refusal()
        assert refusal.kind == ("UNAVAILABLE", "DRAINING")
        assert refusal.retry_after_s
    row = SqlUploadStore(service.database).get(upload.upload_id)
    assert row is not None
    assert row.committed_offset == 80 * KIB


UPLOAD_ID = "01a203c8-1030-70ef-a195-966660e2d457"
OPEN = messages.UploadPackageRequest(open=messages.UploadOpen(upload_id=UPLOAD_ID))
FINISH = messages.UploadPackageRequest(finish=messages.UploadFinish())


@pytest.mark.parametrize(
    ("sends", "reason"),
    [
        ([FINISH], "UNEXPECTED_MESSAGE"),
        ([messages.UploadPackageRequest(chunk=messages.UploadChunk(data=b"x"))], "UNEXPECTED_MESSAGE"),
        ([], "UNEXPECTED_MESSAGE"),
        ([messages.UploadPackageRequest()], "INVALID_FIELD"),
        ([messages.UploadPackageRequest(open=messages.UploadOpen(upload_id="../x"))], "INVALID_FIELD"),
    ],
)
def test_a_stream_that_does_not_begin_with_open(
    service: Ingestion, sends: list[messages.UploadPackageRequest], reason: str
) -> None:
    refusal = refused(service.packages.UploadPackage, iter(sends))
    assert refusal.kind == ("INVALID_ARGUMENT", reason)


@pytest.mark.parametrize(
    ("send", "reason"),
    [
        (lambda sender: sender.send(OPEN), "UNEXPECTED_MESSAGE"),
        (lambda sender: sender.send(messages.UploadPackageRequest()), "INVALID_FIELD"),
        (lambda sender: sender.chunk(KIB, b""), "INVALID_FIELD"),
        (lambda sender: sender.chunk(KIB, bytes(64 * KIB + 1)), "INVALID_FIELD"),
    ],
    ids=["second open", "empty message", "empty chunk", "large chunk"],
)
def test_a_message_that_does_not_belong(
    service: Ingestion, send: Callable[[Sender], None], reason: str
) -> None:
    upload = service.create(CONTENT)
    with Sender(service.packages, upload.upload_id) as sender:
        sender.chunk(0, CONTENT[:KIB])
        send(sender)
        assert sender.refusal().kind == ("INVALID_ARGUMENT", reason)
    assert committed(service, upload.upload_id) == KIB
    assert completes(service, upload.upload_id)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("descriptor.package_id", {"package_id": "1"}),
        ("descriptor.device_id", {"device_id": "../x"}),
        ("descriptor.format", {"format": 0}),
        ("descriptor.format", {"format": 77}),
        ("descriptor.size_bytes", {"size_bytes": 0}),
        ("descriptor.size_bytes", {"size_bytes": -5}),
        ("descriptor.sha256", {"sha256": "x" * 64}),
        ("descriptor.create_time", {"create_time": None}),
    ],
)
def test_descriptors_keep_to_their_limits(service: Ingestion, field: str, changes: dict[str, Any]) -> None:
    descriptor = describe(CONTENT, ZIP, **changes)
    for call in (
        lambda: service.put(descriptor, CONTENT),
        lambda: service.packages.CreateUpload(messages.CreateUploadRequest(descriptor=descriptor)),
    ):
        refusal = refused(call)
        assert (refusal.kind, refusal.field) == (("INVALID_ARGUMENT", "INVALID_FIELD"), field)


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda s: s.upload("no uuid"), "upload_id"),
        (lambda s: s.package("no uuid"), "package_id"),
        (lambda s: s.packages.CancelUpload(messages.CancelUploadRequest()), "upload_id"),
        (lambda s: s.packages.RetryPackage(messages.RetryPackageRequest()), "package_id"),
        (lambda s: s.packages.ListPackages(messages.ListPackagesRequest(device_id="?")), "device_id"),
        (lambda s: s.packages.ListPackages(messages.ListPackagesRequest(state=99)), "state"),
        (lambda s: s.packages.ListPackages(messages.ListPackagesRequest(page_size=-1)), "page_size"),
    ],
)
def test_lookups_keep_to_their_limits(
    service: Ingestion, call: Callable[[Ingestion], Any], field: str
) -> None:
    refusal = refused(call, service)
    assert (refusal.kind, refusal.field) == (("INVALID_ARGUMENT", "INVALID_FIELD"), field)


def test_unknown_packages(service: Ingestion) -> None:
    unknown = new_id()
    for call in (
        lambda: service.package(unknown),
        lambda: service.packages.RetryPackage(messages.RetryPackageRequest(package_id=unknown)),
    ):
        assert refused(call).kind == ("NOT_FOUND", "PACKAGE_NOT_FOUND")
