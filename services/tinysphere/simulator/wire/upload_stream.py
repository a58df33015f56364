"""One attempt to stream a package: chunks out, acknowledgements in, and the fault of the link in between."""

import asyncio

import google_crc32c
import grpc

from tinymlops.v1 import ingestion_service_pb2 as wire
from tinymlops.v1 import package_pb2
from tinysphere.simulator.script.faults import Fault, FaultKind
from tinysphere.simulator.script.packing import Package
from tinysphere.simulator.wire.caller import Caller
from tinysphere.simulator.wire.failures import CallError, link_error
from tinysphere.simulator.wire.methods import UPLOAD_PACKAGE

WATCHDOG_S = 60.0  # real seconds without an acknowledgement
_CHUNK_BYTES = 256 * 1024
_WINDOW_BYTES = 128 * 1024  # twice the server's first commit: it acknowledges no later
_WINDOW_SHARE = 8  # of what the stream carried, beyond that
_LEAST_CHUNK_BYTES = 256


class UploadStream:
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
