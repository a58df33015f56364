"""Brings one package to the server, over links that break.

A package goes in one request when it has 64 KiB at most, or is known to take two seconds at most; the contract allows
1 MiB, but a cut would cost all of it, and the connection's pings wait behind it. A larger one, and a small one whose
request failed once, goes as a resumable upload: what the server acknowledged is never sent again, so every attempt gets
further. There is no deadline on the stream, only a watchdog on its progress; progress is what the server acknowledged,
not what was handed to gRPC.
"""

import time
from collections.abc import Callable
from pathlib import Path

import grpc

from tinylcm.ports import OutgoingPackage
from tinylcm.settings import ServerSettings
from tinylcm.sync import convert
from tinylcm.sync.client import Servers
from tinylcm.sync.failures import SUPERSEDED, CallError, calling
from tinylcm.sync.pace import Pace
from tinylcm.sync.tally import PackageTally, Progress, TransferTally
from tinylcm.sync.upload_stream import UploadStream
from tinylcm.sync.window import Window
from tinymlops.v1 import ingestion_service_pb2 as wire
from tinymlops.v1 import package_pb2

MAX_PUT_BYTES = 256 << 10
_FIRST_PUT_BYTES = 64 << 10
_PUT_AGAIN_BYTES = 16 << 10
_PUT_S = 2.0
_SLOWEST_BYTES_PER_S = 8 << 10
_DEFAULT_COMMIT_BYTES = 1 << 20
_FIRST_WINDOW_BYTES, _BAD_LINK_WINDOW_BYTES = 512 << 10, 128 << 10
_MAX_REOPENINGS = 3
_REOPEN_REASONS = {"UPLOAD_OFFSET_MISMATCH", "UPLOAD_NOT_FOUND", "UPLOAD_EXPIRED", "CHUNK_CORRUPT"}
_RECEIPT_STATES = {
    package_pb2.PACKAGE_STATE_COMMITTED,
    package_pb2.PACKAGE_STATE_PROCESSING,
    package_pb2.PACKAGE_STATE_PROCESSED,
    package_pb2.PACKAGE_STATE_FAILED,
}


class Uploader:
    """Uploads packages one at a time.

    Attributes:
        between_acknowledgements: Called while a long upload makes progress, for what cannot wait until its end; it
            must not raise.
        on_progress: Told how much of a package the server holds: at its beginning, with every acknowledgement, with
            the receipt; it must not raise.
    """

    def __init__(
        self,
        servers: Servers,
        *,
        device_id: str,
        settings: ServerSettings,
        tally: TransferTally,
        pace: Pace,
    ) -> None:
        self._stub = servers.ingestion
        self._upload_package = servers.upload_package
        self._device_id = device_id
        self._settings = settings
        self._tally = tally
        self._pace = pace
        self.between_acknowledgements: Callable[[], None] = lambda: None
        self.on_progress: Callable[[Progress], None] = lambda progress: None
        self._place = PackageTally(tally)
        self._bytes_per_s: float | None = None
        self._overtaken_at: int | None = None

    def send(self, package: OutgoingPackage, path: Path) -> None:
        """Returns when the server's receipt for the package is held.

        Raises:
            CallError: The link broke, or the server refused.
            FileNotFoundError: The package was evicted meanwhile.
        """
        if self._place.package_id != package.package_id:
            self._place = PackageTally(self._tally, package.package_id)
            self._overtaken_at = None
        may_put_again = package.attempt_count == 0 or package.size_bytes <= _PUT_AGAIN_BYTES
        try:
            if package.size_bytes <= min(self._put_bytes, self._pace.piece_bytes) and may_put_again:
                receipt = self._put(package, path)
            else:
                receipt = self._upload(package, path)
        except CallError as error:
            self._tally.link_failure_count += error.is_link_failure
            if error.reason == SUPERSEDED:
                self._overtaken_at = max(self._place.acknowledged, self._overtaken_at or 0)
            raise
        _check_receipt(package, receipt)
        self._tally.package_count += 1
        self._show(package, package.size_bytes)

    @property
    def _put_bytes(self) -> float:
        """Most bytes to send in one request: what the link carries in two seconds, little while that is not known."""
        known = self._bytes_per_s
        wanted = _FIRST_PUT_BYTES if known is None else known * _PUT_S
        return min(max(wanted, _PUT_AGAIN_BYTES), MAX_PUT_BYTES)

    def _put(self, package: OutgoingPackage, path: Path) -> package_pb2.Package:
        request = wire.PutPackageRequest(descriptor=self._describe(package), content=path.read_bytes())
        timeout_s = self._settings.request_timeout_s + package.size_bytes / _SLOWEST_BYTES_PER_S
        time.sleep(self._pace.take(package.size_bytes))  # two seconds at most: larger ones go as a stream
        self._place.begin_at(0)
        self._place.hand(package.size_bytes)
        with calling("PutPackage"):
            package_stored = self._stub.PutPackage(request, timeout=timeout_s).package
        self._place.acknowledge(package.size_bytes)
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
        self._place.begin_at(upload.committed_offset)
        if upload.HasField("package"):
            return upload.package
        self._give_way(upload.committed_offset)
        self._show(package, upload.committed_offset)
        with calling("UploadPackage"):
            return self._stream(package, upload, path)

    def _give_way(self, committed_offset: int) -> None:
        """Another process that speaks for this device took the upload over: it goes on as long as it gets further.

        Raises:
            CallError: It does.
        """
        if self._overtaken_at is None:
            return
        if committed_offset > self._overtaken_at:
            raise CallError(
                "another sender of this device is at work", code=grpc.StatusCode.ABORTED, reason=SUPERSEDED
            )
        self._overtaken_at = None

    def _stream(
        self, package: OutgoingPackage, upload: package_pb2.Upload, path: Path
    ) -> package_pb2.Package:
        window = _window(package, upload, self._bytes_per_s)

        def acknowledged(offset: int) -> None:
            self._show(package, offset)
            self.between_acknowledgements()

        stream = UploadStream(upload, window, self._pace, self._place, acknowledged)
        try:
            return stream.run(self._upload_package, path, stall_timeout_s=self._settings.stall_timeout_s)
        finally:
            self._bytes_per_s = window.bytes_per_s

    def _show(self, package: OutgoingPackage, acknowledged_bytes: int) -> None:
        self.on_progress(
            Progress(
                package_id=package.package_id,
                acknowledged_bytes=acknowledged_bytes,
                size_bytes=package.size_bytes,
            )
        )

    def _describe(self, package: OutgoingPackage) -> package_pb2.PackageDescriptor:
        return package_pb2.PackageDescriptor(
            package_id=package.package_id,
            device_id=self._device_id,
            format=package_pb2.PACKAGE_FORMAT_TAR_ZSTD,
            size_bytes=package.size_bytes,
            sha256=package.sha256,
            create_time=convert.to_timestamp(package.create_time),
        )


def _window(package: OutgoingPackage, upload: package_pb2.Upload, bytes_per_s: float | None) -> Window:
    """Narrower once the link broke."""
    return Window(
        upload.committed_offset,
        least_bytes=_BAD_LINK_WINDOW_BYTES if package.attempt_count else _FIRST_WINDOW_BYTES,
        most_bytes=2 * (upload.commit_interval_bytes or _DEFAULT_COMMIT_BYTES),
        bytes_per_s=bytes_per_s,
    )


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
