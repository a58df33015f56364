"""Brings one package to the server, over links that break.

A package that fits one chunk goes in one request (the contract allows 1 MiB, but a cut would cost all of it). A
larger one, and a small one whose request failed once, goes as a resumable upload: what the server acknowledged is
never sent again, so every attempt gets further. There is no deadline on the stream, only a watchdog on its progress;
progress is what the server acknowledged, not what was handed to gRPC.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import google_crc32c
import grpc

from tinylcm.ports import OutgoingPackage
from tinylcm.settings import ServerSettings
from tinylcm.sync import convert
from tinylcm.sync.backoff import Watchdog
from tinylcm.sync.failures import CallError, calling
from tinymlops.v1 import ingestion_service_pb2 as wire
from tinymlops.v1 import package_pb2
from tinymlops.v1.ingestion_service_pb2_grpc import IngestionServiceStub

MAX_PUT_BYTES = 256 << 10
_PUT_AGAIN_BYTES = 16 << 10
_SLOWEST_BYTES_PER_S = 8 << 10
_DEFAULT_CHUNK_BYTES, _BAD_LINK_CHUNK_BYTES = 256 << 10, 64 << 10
_DEFAULT_COMMIT_BYTES = 1 << 20
_MAX_REOPENINGS = 3
_REOPEN_REASONS = {"UPLOAD_OFFSET_MISMATCH", "UPLOAD_NOT_FOUND", "UPLOAD_EXPIRED", "CHUNK_CORRUPT"}
_RECEIPT_STATES = {
    package_pb2.PACKAGE_STATE_COMMITTED,
    package_pb2.PACKAGE_STATE_PROCESSING,
    package_pb2.PACKAGE_STATE_PROCESSED,
    package_pb2.PACKAGE_STATE_FAILED,
}


@dataclass(slots=True)
class TransferTally:
    """Counts of one boot; written by the sync thread and the stream it has open, read by any."""

    package_count: int = 0
    link_failure_count: int = 0
    sent_bytes: int = 0
    resent_bytes: int = 0
    acknowledged_bytes: int = 0


@dataclass(slots=True)
class _Place:
    """How far a package came in this boot: highest byte handed to the link, and highest acknowledged one."""

    package_id: str = ""
    sent: int = 0
    acknowledged: int = 0


class Window:
    """Holds a sender back that is too far ahead of the acknowledgements.

    gRPC and the kernel take megabytes from a sender whose peer does not hear it; all of it would be sent again after
    a cut, and until then it fills the memory of a small device.
    """

    def __init__(self, acknowledged: int, size_bytes: int) -> None:
        self._acknowledged = acknowledged
        self._size_bytes = size_bytes
        self._changed = threading.Condition()
        self._is_closed = False

    def acknowledge(self, offset: int) -> None:
        """The server has all bytes before ``offset``."""
        with self._changed:
            self._acknowledged = offset
            self._changed.notify_all()

    def wait_for_room(self, offset: int) -> bool:
        """Waits until the byte at ``offset`` may be sent; False when nothing more is wanted."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or offset < self._acknowledged + self._size_bytes)
            return not self._is_closed

    def close(self) -> None:
        """Nothing more is wanted."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()


class Uploader:
    """Uploads packages one at a time.

    Attributes:
        between_acknowledgements: Called while a long upload makes progress, for what cannot wait until its end; it
            must not raise.
    """

    def __init__(
        self,
        stub: IngestionServiceStub,
        *,
        device_id: str,
        settings: ServerSettings,
        tally: TransferTally,
    ) -> None:
        self._stub = stub
        self._device_id = device_id
        self._settings = settings
        self._tally = tally
        self.between_acknowledgements: Callable[[], None] = lambda: None
        self._place = _Place()

    def send(self, package: OutgoingPackage, path: Path) -> None:
        """Returns when the server's receipt for the package is held.

        Raises:
            CallError: The link broke, or the server refused.
            FileNotFoundError: The package was evicted meanwhile.
        """
        if self._place.package_id != package.package_id:
            self._place = _Place(package.package_id)
        may_put_again = package.attempt_count == 0 or package.size_bytes <= _PUT_AGAIN_BYTES
        try:
            if package.size_bytes <= MAX_PUT_BYTES and may_put_again:
                receipt = self._put(package, path)
            else:
                receipt = self._upload(package, path)
        except CallError as error:
            self._tally.link_failure_count += error.is_link_failure
            raise
        _check_receipt(package, receipt)
        self._tally.package_count += 1

    def _put(self, package: OutgoingPackage, path: Path) -> package_pb2.Package:
        request = wire.PutPackageRequest(descriptor=self._describe(package), content=path.read_bytes())
        timeout_s = self._settings.request_timeout_s + package.size_bytes / _SLOWEST_BYTES_PER_S
        self._count_sent(0, package.size_bytes)
        with calling("PutPackage"):
            package_stored = self._stub.PutPackage(request, timeout=timeout_s).package
        self._count_acknowledged(package.size_bytes)
        return package_stored

    def _upload(self, package: OutgoingPackage, path: Path) -> package_pb2.Package:
        for _ in range(_MAX_REOPENINGS):
            try:
                return self._resume(package, path)
            except CallError as error:
                if error.reason not in _REOPEN_REASONS:
                    raise
        return self._resume(package, path)

    def _resume(self, package: OutgoingPackage, path: Path) -> package_pb2.Package:
        request = wire.CreateUploadRequest(descriptor=self._describe(package))
        with calling("CreateUpload"):
            upload = self._stub.CreateUpload(request, timeout=self._settings.request_timeout_s).upload
        self._count_acknowledged(upload.committed_offset)
        if upload.HasField("package"):
            return upload.package
        with calling("UploadPackage"):
            return self._stream(upload, path, _chunk_bytes(package, upload))

    def _stream(self, upload: package_pb2.Upload, path: Path, chunk_bytes: int) -> package_pb2.Package:
        window = Window(upload.committed_offset, 2 * (upload.commit_interval_bytes or _DEFAULT_COMMIT_BYTES))
        call = self._stub.UploadPackage(self._requests(upload, path, window, chunk_bytes))
        try:
            with Watchdog(self._settings.stall_timeout_s, call.cancel) as watchdog:
                for response in call:
                    if response.WhichOneof("part") == "done":
                        self._count_acknowledged(upload.size_bytes)
                        return response.done.package
                    if self._count_acknowledged(response.ack.committed_offset):
                        window.acknowledge(response.ack.committed_offset)
                        watchdog.feed()
                        self.between_acknowledgements()
        finally:
            window.close()
        raise CallError("UploadPackage: the stream ended without a receipt")

    def _requests(
        self, upload: package_pb2.Upload, path: Path, window: Window, chunk_bytes: int
    ) -> Iterator[wire.UploadPackageRequest]:
        """Runs in a thread of gRPC, as fast as the link takes it and the window lets it."""
        offset = upload.committed_offset
        yield wire.UploadPackageRequest(open=wire.UploadOpen(upload_id=upload.upload_id, offset=offset))
        with path.open("rb") as file:
            file.seek(offset)
            while data := file.read(chunk_bytes):
                if not window.wait_for_room(offset):
                    return
                self._count_sent(offset, len(data))
                chunk = wire.UploadChunk(offset=offset, data=data, crc32c=google_crc32c.value(data))
                yield wire.UploadPackageRequest(chunk=chunk)
                offset += len(data)
        yield wire.UploadPackageRequest(finish=wire.UploadFinish())

    def _count_sent(self, offset: int, size_bytes: int) -> None:
        self._tally.sent_bytes += size_bytes
        self._tally.resent_bytes += min(max(self._place.sent - offset, 0), size_bytes)
        self._place.sent = max(self._place.sent, offset + size_bytes)

    def _count_acknowledged(self, offset: int) -> bool:
        """Takes what the server says is durable; True when it is more than it said before."""
        more = offset - self._place.acknowledged
        if more > 0:
            self._tally.acknowledged_bytes += more
            self._place.acknowledged = offset
        return more > 0

    def _describe(self, package: OutgoingPackage) -> package_pb2.PackageDescriptor:
        return package_pb2.PackageDescriptor(
            package_id=package.package_id,
            device_id=self._device_id,
            format=package_pb2.PACKAGE_FORMAT_TAR_ZSTD,
            size_bytes=package.size_bytes,
            sha256=package.sha256,
            create_time=convert.to_timestamp(package.create_time),
        )


def _chunk_bytes(package: OutgoingPackage, upload: package_pb2.Upload) -> int:
    """What the server would like; less once the link broke, since half a chunk that arrived is lost in a cut."""
    wanted = upload.chunk_size_bytes or _DEFAULT_CHUNK_BYTES
    return min(wanted, _BAD_LINK_CHUNK_BYTES) if package.attempt_count else wanted


def _check_receipt(package: OutgoingPackage, receipt: package_pb2.Package) -> None:
    """The device deletes nothing for a receipt that speaks of something else."""
    told = receipt.descriptor
    if receipt.state not in _RECEIPT_STATES or (told.package_id, told.sha256) != (
        package.package_id,
        package.sha256,
    ):
        raise CallError(
            f"the server answered for package {told.package_id} in state {receipt.state}, not for"
            f" {package.package_id}",
            code=grpc.StatusCode.DATA_LOSS,
            reason="RECEIPT_MISMATCH",
        )
