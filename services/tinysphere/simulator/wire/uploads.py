"""Brings packages to the server: the device's side of the contract, written from the contract alone.

A package that the link carries within some seconds goes as one request; a larger one, and one whose request failed,
as a resumable upload that goes on where the server's acknowledgements ended.
"""

import asyncio

import google_crc32c
import grpc

from tinymlops.v1 import ingestion_service_pb2 as wire
from tinymlops.v1 import package_pb2
from tinysphere.simulator.script.faults import Fault, FaultKind
from tinysphere.simulator.script.ledger import Ledger
from tinysphere.simulator.script.packing import Package
from tinysphere.simulator.wire.caller import Caller
from tinysphere.simulator.wire.failures import CallError, link_error
from tinysphere.simulator.wire.methods import CREATE_UPLOAD, PUT_PACKAGE, UPLOAD_PACKAGE

PUT_MAX_BYTES = 256 * 1024
PUT_MAX_S = 2.0  # of a slow link
WATCHDOG_S = 60.0  # real seconds without an acknowledgement
_CHUNK_BYTES = 256 * 1024
_WINDOW_BYTES = 128 * 1024  # twice the server's first commit: it acknowledges no later
_WINDOW_SHARE = 8  # of what the stream carried, beyond that
_LEAST_CHUNK_BYTES = 256
_AGAIN = ("UPLOAD_OFFSET_MISMATCH", "UPLOAD_NOT_FOUND", "UPLOAD_EXPIRED", "CHUNK_CORRUPT")
_RECEIPT_STATES = (
    package_pb2.PACKAGE_STATE_COMMITTED,
    package_pb2.PACKAGE_STATE_PROCESSING,
    package_pb2.PACKAGE_STATE_PROCESSED,
    package_pb2.PACKAGE_STATE_FAILED,
)


class Uploader:
    """Uploads the packages of one device, one at a time."""

    def __init__(self, caller: Caller, ledger: Ledger) -> None:
        self._caller = caller
        self._ledger = ledger
        self._tally = caller.tally
        self._reached: dict[str, tuple[int, int]] = {}  # by package: bytes acknowledged, bytes handed over

    async def send(self, package: Package, attempt: int) -> package_pb2.Package:
        """Returns the server's receipt.

        Args:
            package: What to send.
            attempt: Counts the attempts to send it, from 0.

        Raises:
            CallError: It must be tried again, or was refused.
        """
        rate = self._caller.rate_bytes_per_s
        put_max_bytes = min(PUT_MAX_BYTES, rate * PUT_MAX_S) if rate else PUT_MAX_BYTES
        self._tally.counts["packages_sent"] += 1
        if attempt == 0 and package.size_bytes <= put_max_bytes:
            return await self._put(package)
        try:
            return await self._resume(package, attempt)
        except CallError as error:
            if error.reason not in _AGAIN:
                raise
            return await self._resume(package, attempt)

    async def _put(self, package: Package) -> package_pb2.Package:
        request = wire.PutPackageRequest(descriptor=package.descriptor, content=package.content)
        reply = await self._caller.call(
            PUT_PACKAGE,
            request,
            package.package_id,
            0,
            witness=lambda reply: self._witness(package, reply.package),
        )
        self._reach(package, 0, package.size_bytes, package.size_bytes)
        return reply.package

    async def _resume(self, package: Package, attempt: int) -> package_pb2.Package:
        request = wire.CreateUploadRequest(descriptor=package.descriptor)
        upload = (await self._caller.call(CREATE_UPLOAD, request, package.package_id, attempt)).upload
        self._reach(package, upload.committed_offset, upload.committed_offset, upload.committed_offset)
        if upload.HasField("package"):
            self._witness(package, upload.package)
            return upload.package
        async with self._caller.attempting(UPLOAD_PACKAGE, package.package_id, attempt) as fault:
            stream = _Stream(self._caller, package, upload, fault)
            try:
                receipt = await stream.run()
            finally:
                self._reach(package, upload.committed_offset, stream.acknowledged, stream.handed)
            self._witness(package, receipt)
            if fault.kind is FaultKind.LOST_REPLY:
                raise await self._caller.break_link(fault)
            return receipt

    def _reach(self, package: Package, begin: int, acknowledged: int, handed: int) -> None:
        """The server holds more, or less: what it kept of a broken stream, it tells when the next one is opened."""
        known, sent = self._reached.get(package.package_id, (0, 0))
        self._tally.counts["bytes_sent"] += max(0, acknowledged - known)
        self._tally.counts["bytes_resent"] += max(0, sent - begin)
        self._reached[package.package_id] = acknowledged, handed

    def _witness(self, package: Package, receipt: package_pb2.Package) -> None:
        """A receipt came. Wrong ones are no receipts."""
        told = receipt.descriptor
        if receipt.state not in _RECEIPT_STATES or told.sha256 != package.descriptor.sha256:
            raise CallError(grpc.StatusCode.DATA_LOSS, "RECEIPT_MISMATCH")
        name = "packages_committed" if self._ledger.receive(receipt) else "packages_duplicate"
        self._tally.counts[name] += 1


class _Stream:
    """One upload stream: chunks out, no more than a window ahead of the acknowledgements that come in.

    Attributes:
        acknowledged: Offset up to which the server acknowledged.
        handed: Offset up to which bytes were handed over.
    """

    def __init__(self, caller: Caller, package: Package, upload: package_pb2.Upload, fault: Fault) -> None:
        self._caller = caller
        self._package = package
        self._upload = upload
        self._fault = fault
        self._begin = self.acknowledged = self.handed = upload.committed_offset
        self._room = asyncio.Event()
        self._is_open = False

    async def run(self) -> package_pb2.Package:
        """The receipt."""
        call = self._caller.channels.two_way(UPLOAD_PACKAGE)()
        reading = asyncio.ensure_future(self._read(call))
        writing = asyncio.ensure_future(self._write(call))
        try:
            await asyncio.wait((reading, writing), return_when=asyncio.FIRST_COMPLETED)
            if writing.done() and not writing.cancelled() and isinstance(writing.exception(), CallError):
                raise await self._caller.break_link(self._fault)
            return await reading  # what ended the writing otherwise is told by the call's status
        finally:
            self._caller.tally.gauges["streams_open"] -= self._is_open
            call.cancel()
            reading.cancel()
            writing.cancel()
            await asyncio.gather(reading, writing, return_exceptions=True)

    async def _read(
        self, call: "grpc.aio.StreamStreamCall[wire.UploadPackageRequest, wire.UploadPackageResponse]"
    ) -> package_pb2.Package:
        while True:
            try:
                async with asyncio.timeout(WATCHDOG_S):
                    response = await call.read()
            except TimeoutError as error:
                raise CallError(grpc.StatusCode.DEADLINE_EXCEEDED, "NO_PROGRESS") from error
            if not isinstance(response, wire.UploadPackageResponse):
                raise CallError(grpc.StatusCode.UNKNOWN, "STREAM_ENDED")
            if response.WhichOneof("part") == "done":
                self.acknowledged = self._upload.size_bytes
                return response.done.package
            self._note_open()
            self.acknowledged = max(self.acknowledged, response.ack.committed_offset)
            self._room.set()

    async def _write(
        self, call: "grpc.aio.StreamStreamCall[wire.UploadPackageRequest, wire.UploadPackageResponse]"
    ) -> None:
        opening = wire.UploadOpen(upload_id=self._upload.upload_id, offset=self._begin)
        await call.write(wire.UploadPackageRequest(open=opening))
        while data := self._next_chunk():
            while self.handed + len(data) > self.acknowledged + self._window_bytes:
                self._room.clear()
                await self._room.wait()
            await self._strike(len(data))
            await self._caller.spend(len(data))
            chunk = wire.UploadChunk(offset=self.handed, data=data, crc32c=google_crc32c.value(data))
            await call.write(wire.UploadPackageRequest(chunk=chunk))
            self.handed += len(data)
        await call.write(wire.UploadPackageRequest(finish=wire.UploadFinish()))
        await call.done_writing()

    def _note_open(self) -> None:
        """A stream counts as open from its first acknowledgement on: the server did not turn it away."""
        self._caller.tally.gauges["streams_open"] += not self._is_open
        self._is_open = True

    async def _strike(self, next_bytes: int) -> None:
        """The fault of the link, once enough bytes have passed."""
        passed = self.handed - self._begin
        if not passed <= self._fault.after_bytes < passed + next_bytes:
            return
        if self._fault.kind is FaultKind.CUT:
            raise link_error("cut")
        if self._fault.kind is FaultKind.STALL:
            self._caller.tally.counts["faults_stall"] += 1
            await self._caller.pace.sleep(self._fault.stall_s)

    def _next_chunk(self) -> bytes:
        size = min(self._upload.chunk_size_bytes or _CHUNK_BYTES, self._window_bytes // 2)
        if rate := self._caller.rate_bytes_per_s:
            size = min(size, max(_LEAST_CHUNK_BYTES, rate))
        return self._package.content[self.handed : self.handed + size]

    @property
    def _window_bytes(self) -> int:
        return max(_WINDOW_BYTES, (self.acknowledged - self._begin) // _WINDOW_SHARE)
