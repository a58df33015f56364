"""Brings packages to the server: the device's side of the contract, written from the contract alone.

A package that the link carries within some seconds goes as one request; a larger one, and one whose request failed,
as a resumable upload that goes on where the server's acknowledgements ended.
"""

from collections.abc import Sequence

import grpc

from tinymlops.v1 import ingestion_service_pb2 as wire
from tinymlops.v1 import package_pb2
from tinysphere.simulator.script.faults import FaultKind
from tinysphere.simulator.script.ledger import Ledger
from tinysphere.simulator.script.packing import Package
from tinysphere.simulator.wire.caller import Caller
from tinysphere.simulator.wire.failures import CallError
from tinysphere.simulator.wire.methods import CREATE_UPLOAD, FIND_MISSING, PUT_PACKAGE, UPLOAD_PACKAGE
from tinysphere.simulator.wire.upload_stream import UploadStream

PUT_MAX_BYTES = 256 * 1024
PUT_MAX_S = 2.0  # of a slow link
ASKED_MAX = 1000
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

    async def find_held(self, packages: Sequence[Package], attempt: int) -> Sequence[package_pb2.Package]:
        """Asks which packages the server holds; what it says counts as their receipts.

        Raises:
            CallError: It did not answer.
        """
        asked = packages[:ASKED_MAX]
        request = wire.FindMissingRequest(
            device_id=asked[0].descriptor.device_id, sha256=[one.descriptor.sha256 for one in asked]
        )
        reply = await self._caller.call(FIND_MISSING, request, asked[0].package_id, attempt)
        missing = set(reply.missing_sha256)
        held = [one for one in asked if one.descriptor.sha256 not in missing]
        self._tally.counts["packages_found"] += len(held)
        self._tally.counts["bytes_spared"] += sum(one.size_bytes for one in held)
        receipts = [
            package_pb2.Package(descriptor=one.descriptor, state=package_pb2.PACKAGE_STATE_COMMITTED)
            for one in held
        ]
        for package, receipt in zip(held, receipts, strict=True):
            if package.package_id not in self._ledger.receipts:
                self._witness(package, receipt)
        return receipts

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
            stream = UploadStream(self._caller, package, upload, fault)
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
