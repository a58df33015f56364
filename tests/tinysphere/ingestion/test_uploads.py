"""What an upload promises, through real gRPC: durable offsets, kept tails, take-over, replay."""

import random
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import grpc

from tests.support.postgresql import PostgresServer
from tests.support.refusals import read_refusal, refused
from tests.support.waiting import eventually
from tests.tinysphere.ingestion.builders import TAR, describe, sha256
from tests.tinysphere.ingestion.conftest import KIB, Ingestion, Serve
from tests.tinysphere.ingestion.sender import CHUNK_BYTES, Sender, sent
from tinymlops.v1 import ingestion_service_pb2 as messages
from tinymlops.v1 import package_pb2
from tinysphere.storage.sql.package_contents import PackageContents

CONTENT = random.Random(2).randbytes(300 * KIB)
COMMITTED = (
    package_pb2.PACKAGE_STATE_COMMITTED,
    package_pb2.PACKAGE_STATE_PROCESSING,
    package_pb2.PACKAGE_STATE_FAILED,  # these bytes are no archive
)


def stored(service: Ingestion, content: bytes = CONTENT) -> bytes:
    return b"".join(PackageContents(service.database, service.blobs).open(sha256(content)))


def part_files(service: Ingestion) -> list[Path]:
    return list((service.data_dir / "uploads").glob("*.part"))


def arrived(service: Ingestion) -> int:
    """Bytes in the only part file."""
    (path,) = part_files(service)
    return path.stat().st_size


def test_a_small_package_goes_in_one_request(service: Ingestion) -> None:
    content = CONTENT[: 10 * KIB]
    descriptor = describe(content)
    package = service.put(descriptor, content)
    assert package.state == package_pb2.PACKAGE_STATE_COMMITTED
    assert package.descriptor == descriptor
    assert package.HasField("receive_time")
    assert package.HasField("commit_time")
    assert stored(service, content) == content
    again = service.put(descriptor, content)
    assert again.descriptor == descriptor
    assert again.commit_time == package.commit_time


def test_an_upload_announces_the_servers_wishes(service: Ingestion) -> None:
    upload = service.create(CONTENT)
    assert upload.state == package_pb2.UPLOAD_STATE_ACTIVE
    assert (upload.committed_offset, upload.size_bytes) == (0, len(CONTENT))
    assert upload.chunk_size_bytes == 16 * KIB
    assert upload.max_chunk_size_bytes == upload.commit_interval_bytes == 64 * KIB
    assert upload.expire_time.ToDatetime() - service.clock.now().replace(tzinfo=None) > timedelta(days=6)


def test_bytes_are_acknowledged_when_durable_and_stored_when_finished(service: Ingestion) -> None:
    upload = service.create(CONTENT)
    with Sender(service.packages, upload.upload_id) as sender:
        sender.chunks(CONTENT)
        offsets = [sender.acknowledged() for _ in range(4)]
        assert offsets == [64 * KIB, 128 * KIB, 192 * KIB, 256 * KIB]
        assert service.upload(upload.upload_id).committed_offset == 256 * KIB
        sender.finish()
        package = sender.done()
    assert package.state in COMMITTED
    assert stored(service) == CONTENT
    finished = service.upload(upload.upload_id)
    assert finished.state == package_pb2.UPLOAD_STATE_FINISHED
    assert finished.committed_offset == len(CONTENT)
    assert finished.package.descriptor == package.descriptor
    assert part_files(service) == []


def test_a_sender_that_waits_is_told_the_sooner_the_less_it_carried(serve: Serve) -> None:
    service = serve(upload_commit_bytes=256 * KIB, upload_commit_interval_s=3600.0)
    service.register()
    content = random.Random(1).randbytes(6 * 1024 * KIB)
    upload = service.create(content)
    offset, steps = 0, list[int]()
    with Sender(service.packages, upload.upload_id) as sender:
        while offset < 5 * 1024 * KIB:
            enough = min(max(64 * KIB, offset // 16), 256 * KIB)
            end = offset + -(-enough // CHUNK_BYTES) * CHUNK_BYTES  # whole chunks
            sender.chunks(content, offset, end)
            assert sender.acknowledged() == end
            steps.append(end - offset)
            offset = end
    assert steps[:4] == [64 * KIB] * 4
    assert steps[-1] == 256 * KIB


def test_a_sender_that_does_not_wait_is_told_at_the_latest_after_the_limit(serve: Serve) -> None:
    service = serve(upload_commit_bytes=256 * KIB, upload_commit_interval_s=3600.0)
    service.register()
    content = random.Random(1).randbytes(4 * 1024 * KIB)
    upload = service.create(content)
    with Sender(service.packages, upload.upload_id) as sender:
        sender.chunks(content)
        offsets = [0]
        while offsets[-1] < 3 * 1024 * KIB:
            offsets.append(sender.acknowledged())
    assert all(64 * KIB <= after - before <= 256 * KIB for before, after in pairwise(offsets))


def test_time_alone_commits_what_waits(serve: Serve) -> None:
    service = serve(upload_commit_interval_s=0.05)
    service.register()
    upload = service.create(CONTENT)
    with Sender(service.packages, upload.upload_id) as sender:
        sender.chunk(0, CONTENT[:10])
        assert sender.acknowledged() == 10  # and nothing more was sent


def test_a_broken_stream_keeps_its_tail(service: Ingestion) -> None:
    upload = service.create(CONTENT)
    sender = Sender(service.packages, upload.upload_id)
    sender.chunks(CONTENT, 0, 80 * KIB)
    assert sender.acknowledged() == 64 * KIB
    eventually(lambda: arrived(service) == 80 * KIB)
    sender.call.cancel()
    eventually(lambda: service.upload(upload.upload_id).committed_offset == 80 * KIB)
    again = service.create(CONTENT, package_id=upload.package_id)
    assert (again.upload_id, again.committed_offset) == (upload.upload_id, 80 * KIB)
    assert sent(service.packages, again, CONTENT).state in COMMITTED
    assert stored(service) == CONTENT


def test_a_stream_may_end_without_finishing(service: Ingestion) -> None:
    upload = service.create(CONTENT)
    with Sender(service.packages, upload.upload_id) as sender:
        sender.chunks(CONTENT, 0, 5 * KIB)
        sender.close()
        assert sender.rest() == [5 * KIB]


def test_the_sender_may_start_below_what_is_committed(service: Ingestion) -> None:
    upload = service.create(CONTENT)
    with Sender(service.packages, upload.upload_id) as sender:
        sender.chunks(CONTENT, 0, 70 * KIB)
        sender.close()
        sender.rest()
    with Sender(service.packages, upload.upload_id, 50 * KIB) as sender:
        sender.chunks(CONTENT, 50 * KIB)  # 20 KiB are skipped, one chunk in its middle
        sender.finish()
        assert sender.done().state in COMMITTED
    assert stored(service) == CONTENT


def test_a_newer_stream_takes_over_from_a_silent_one_at_once(service: Ingestion) -> None:
    upload = service.create(CONTENT)
    with Sender(service.packages, upload.upload_id) as older:
        older.chunks(CONTENT, 0, 80 * KIB)
        assert older.acknowledged() == 64 * KIB
        eventually(lambda: arrived(service) == 80 * KIB)
        with Sender(service.packages, upload.upload_id, 80 * KIB) as newer:  # the tail was kept
            newer.chunks(CONTENT, 80 * KIB)
            newer.finish()
            assert newer.done().state in COMMITTED
            assert older.refusal().kind == ("ABORTED", "UPLOAD_SUPERSEDED")
    assert stored(service) == CONTENT


def test_a_superseded_stream_writes_nothing_more(service: Ingestion) -> None:
    upload = service.create(CONTENT)
    with Sender(service.packages, upload.upload_id) as older:
        older.chunks(CONTENT, 0, 64 * KIB)
        assert older.acknowledged() == 64 * KIB
        with Sender(service.packages, upload.upload_id, 64 * KIB) as newer:
            newer.chunks(CONTENT, 64 * KIB, 128 * KIB)
            assert newer.acknowledged() == 128 * KIB
            older.chunks(b"\0" * len(CONTENT), 64 * KIB)
            assert older.refusal().kind == ("ABORTED", "UPLOAD_SUPERSEDED")
            newer.chunks(CONTENT, 128 * KIB)
            newer.finish()
            newer.done()
    assert stored(service) == CONTENT


def test_finishing_can_be_replayed(service: Ingestion) -> None:
    upload = service.create(CONTENT)
    first = sent(service.packages, upload, CONTENT)
    for offset, chunks in [(len(CONTENT), False), (0, False), (0, True)]:
        with Sender(service.packages, upload.upload_id, offset) as sender:
            if chunks:
                sender.chunks(CONTENT)
            sender.finish()
            assert sender.done().descriptor == first.descriptor
    found = service.create(CONTENT, package_id=upload.package_id)
    assert found.state == package_pb2.UPLOAD_STATE_FINISHED
    assert found.package.commit_time == first.commit_time


def test_both_ways_of_sending_meet(service: Ingestion) -> None:
    content = CONTENT[: 10 * KIB]
    upload = service.create(content)
    descriptor = describe(content, package_id=upload.package_id)
    package = service.put(descriptor, content)
    with Sender(service.packages, upload.upload_id) as sender:
        sender.chunks(content)
        sender.finish()
        assert sender.done().commit_time == package.commit_time
    assert part_files(service) == []


def test_a_package_put_while_it_is_streamed_ends_the_stream(service: Ingestion) -> None:
    upload = service.create(CONTENT)
    with Sender(service.packages, upload.upload_id) as sender:
        sender.chunks(CONTENT, 0, 64 * KIB)
        sender.acknowledged()
        service.put(describe(CONTENT, package_id=upload.package_id), CONTENT)
        sender.chunks(CONTENT, 64 * KIB)
        assert sender.refusal().kind == ("NOT_FOUND", "UPLOAD_NOT_FOUND")
    found = service.create(CONTENT, package_id=upload.package_id)
    assert found.state == package_pb2.UPLOAD_STATE_FINISHED


def test_cancelling_frees_bytes_and_id(service: Ingestion) -> None:
    upload = service.create(CONTENT)
    with Sender(service.packages, upload.upload_id) as sender:
        sender.chunks(CONTENT, 0, 64 * KIB)
        sender.acknowledged()
        request = messages.CancelUploadRequest(upload_id=upload.upload_id)
        for _ in range(2):
            cancelled = service.packages.CancelUpload(request).upload
            assert cancelled.state == package_pb2.UPLOAD_STATE_CANCELLED
        assert sender.refusal().kind == ("NOT_FOUND", "UPLOAD_NOT_FOUND")
    assert part_files(service) == []
    other = CONTENT[::-1]
    again = service.create(other, package_id=upload.package_id)
    assert sent(service.packages, again, other).state in COMMITTED


def test_uploads_nobody_touches_expire(serve: Serve) -> None:
    service = serve(sweep_interval_s=0.05, upload_expiry_s=600.0)
    service.register()
    touched, left = service.create(CONTENT), service.create(CONTENT)
    for upload in (touched, left):
        with Sender(service.packages, upload.upload_id) as sender:
            sender.chunks(CONTENT, 0, 5 * KIB)
            sender.close()
            sender.rest()
    service.clock.shift = timedelta(seconds=400)
    with Sender(service.packages, touched.upload_id, 5 * KIB) as sender:
        sender.chunks(CONTENT, 5 * KIB, 10 * KIB)
        sender.close()
        sender.rest()
    service.clock.shift = timedelta(seconds=800)
    expired = package_pb2.UPLOAD_STATE_EXPIRED
    assert eventually(lambda: service.upload(left.upload_id).state == expired)
    # The file goes right after the row.
    assert eventually(lambda: [path.stem for path in part_files(service)] == [touched.upload_id])
    assert service.upload(left.upload_id).committed_offset == 0
    assert service.upload(touched.upload_id).committed_offset == 10 * KIB
    service.clock.shift = timedelta(days=40)  # results are kept for 30 days
    eventually(lambda: is_forgotten(service, left.upload_id))


def is_forgotten(service: Ingestion, upload_id: str) -> bool:
    try:
        service.upload(upload_id)
    except grpc.RpcError as error:
        assert read_refusal(error).kind == ("NOT_FOUND", "UPLOAD_NOT_FOUND")
        return True
    return False


def test_files_nobody_knows_are_swept(serve: Serve, tmp_path: Path) -> None:
    folder = tmp_path / "uploads"
    folder.mkdir()
    stray = folder / "01a203c8-1030-70ef-a195-966660e2d457.part"
    stray.write_bytes(b"left by a crash")
    serve(sweep_interval_s=0.05)
    eventually(lambda: not stray.exists())


def test_packages_page_newest_first(service: Ingestion) -> None:
    service.register("camera-2")
    sent_ids = []
    for number in range(5):
        content = f"package {number}".encode()
        device_id = "camera-2" if number == 2 else "camera-1"
        package = service.put(describe(content, TAR, device_id=device_id), content)
        sent_ids.append(package.descriptor.package_id)
    request = messages.ListPackagesRequest(page_size=2)
    listed: list[str] = []
    while True:
        page = service.packages.ListPackages(request)
        listed += [package.descriptor.package_id for package in page.packages]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert listed == sent_ids[::-1]
    only = messages.ListPackagesRequest(device_id="camera-2")
    assert [p.descriptor.package_id for p in service.packages.ListPackages(only).packages] == [sent_ids[2]]
    request.state = package_pb2.PACKAGE_STATE_FAILED
    request.page_token = page.next_page_token or "AAAA"
    assert refused(service.packages.ListPackages, request).kind == ("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN")


def test_uploads_over_postgresql(serve: Serve, postgres_server: PostgresServer) -> None:
    service = serve(postgres_server.create_database())
    service.register()
    upload = service.create(CONTENT)
    sender = Sender(service.packages, upload.upload_id)
    sender.chunks(CONTENT, 0, 80 * KIB)
    assert sender.acknowledged() == 64 * KIB
    eventually(lambda: arrived(service) == 80 * KIB)
    sender.call.cancel()
    eventually(lambda: service.upload(upload.upload_id).committed_offset == 80 * KIB)
    assert sent(service.packages, service.upload(upload.upload_id), CONTENT).state in COMMITTED
    assert stored(service) == CONTENT
