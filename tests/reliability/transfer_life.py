"""What a device does with a server in the tests that cut it off: a story that goes on after any end, and its memory.

What the server acknowledged is remembered here, outside of everything that may be lost.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import grpc

from tests.reliability.uploads_packages import Made, make_package
from tests.reliability.uploads_stores import Stores
from tests.support.waiting import eventually
from tests.tinysphere.ingestion import builders
from tests.tinysphere.ingestion.sender import Sender
from tinymlops.v1 import (
    device_pb2,
    device_service_pb2,
    device_service_pb2_grpc,
    ingestion_service_pb2,
    ingestion_service_pb2_grpc,
    package_pb2,
)

SMALL, LARGE, TAKEN_OVER, GIVEN_UP = "small", "large", "taken over", "given up"
_SIZES_BYTES = {SMALL: 20_000, LARGE: 400_000, TAKEN_OVER: 300_000, GIVEN_UP: 200_000}
_TIMEOUT_S = 20.0
_ENDED = (package_pb2.PACKAGE_STATE_PROCESSED, package_pb2.PACKAGE_STATE_FAILED)
_HELD = (package_pb2.PACKAGE_STATE_COMMITTED, package_pb2.PACKAGE_STATE_PROCESSING, *_ENDED)


@dataclass(slots=True, kw_only=True)
class Parcel:
    """One package, and what was said of it.

    Attributes:
        upload_id: Of its upload, once opened.
        acknowledged: The highest offset that was said to be durable.
        has_receipt: Whether the server said that it holds the package.
        is_cancelled: Whether the server said that it gave the upload up.
    """

    made: Made
    descriptor: package_pb2.PackageDescriptor
    content: bytes
    upload_id: str = ""
    acknowledged: int = 0
    has_receipt: bool = False
    is_cancelled: bool = False


@dataclass(slots=True, kw_only=True)
class TransferLife:
    """The story; `live` takes it up wherever it was cut."""

    parcels: dict[str, Parcel] = field(default_factory=dict)

    @classmethod
    def begin(cls, rng: random.Random) -> TransferLife:
        """A new story with new packages."""
        parcels = {}
        for name, size_bytes in _SIZES_BYTES.items():
            made, content = make_package(rng, size_bytes, with_event=False)
            descriptor = builders.describe(content, builders.TAR_ZSTD, package_id=made.package_id)
            parcels[name] = Parcel(made=made, descriptor=descriptor, content=content)
        return cls(parcels=parcels)

    def live(self, address: str) -> None:
        """Goes on until every parcel is where it belongs.

        Raises:
            grpc.RpcError: The server died, or refused.
        """
        with grpc.insecure_channel(address) as channel:
            devices = device_service_pb2_grpc.DeviceServiceStub(channel)
            device = device_pb2.Device(device_id=builders.DEVICE_ID)
            devices.RegisterDevice(
                device_service_pb2.RegisterDeviceRequest(device=device),
                timeout=_TIMEOUT_S,
            )
            self._live(_Talk(channel))

    def _live(self, talk: _Talk) -> None:
        talk.put(self.parcels[SMALL])
        talk.give_up(self.parcels[GIVEN_UP])
        talk.upload(self.parcels[LARGE])
        talk.upload_with_takeover(self.parcels[TAKEN_OVER])
        for name in (SMALL, LARGE, TAKEN_OVER):
            talk.wait_until_processed(self.parcels[name])

    def faults(self, address: str, stores: Stores) -> Iterator[str]:
        """What the server said and does not hold any more."""
        with grpc.insecure_channel(address) as channel:
            talk = _Talk(channel)
            for name, parcel in self.parcels.items():
                yield from (f"{name}: {fault}" for fault in talk.faults(parcel, stores))

    def outcome(self, address: str) -> dict[str, list[int]]:
        """Records each package left, by name."""
        with grpc.insecure_channel(address) as channel:
            talk = _Talk(channel)
            found = {name: talk.package(parcel) for name, parcel in self.parcels.items()}
        return {
            name: [package.state, *sorted(step.record_count for step in package.steps)]
            for name, package in found.items()
            if package is not None
        }


class _Talk:
    """Calls, and notes what was answered."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = ingestion_service_pb2_grpc.IngestionServiceStub(channel)

    def put(self, parcel: Parcel) -> None:
        request = ingestion_service_pb2.PutPackageRequest(
            descriptor=parcel.descriptor, content=parcel.content
        )
        for _ in range(2):
            package = self._stub.PutPackage(request, timeout=_TIMEOUT_S).package
            parcel.has_receipt |= package.state in _HELD

    def upload(self, parcel: Parcel) -> None:
        with self._open(parcel) as sender:
            sender.chunks(parcel.content, parcel.acknowledged)
            sender.finish()
            self._finish(parcel, sender)

    def upload_with_takeover(self, parcel: Parcel) -> None:
        with self._open(parcel) as older:
            middle = len(parcel.content) // 2
            if parcel.acknowledged < middle:
                older.chunks(parcel.content, parcel.acknowledged, middle)
                parcel.acknowledged = older.acknowledged()
            self.upload(parcel)

    def give_up(self, parcel: Parcel) -> None:
        if parcel.is_cancelled:
            return
        if not parcel.upload_id:
            with self._open(parcel) as sender:
                sender.chunks(parcel.content, parcel.acknowledged)
                parcel.acknowledged = sender.acknowledged()
        request = ingestion_service_pb2.CancelUploadRequest(upload_id=parcel.upload_id)
        upload = self._stub.CancelUpload(request, timeout=_TIMEOUT_S).upload
        parcel.is_cancelled = upload.state == package_pb2.UPLOAD_STATE_CANCELLED

    def wait_until_processed(self, parcel: Parcel) -> None:
        def look() -> bool:
            package = self.package(parcel)
            return package is not None and package.state in _ENDED

        eventually(look)

    def package(self, parcel: Parcel) -> package_pb2.Package | None:
        request = ingestion_service_pb2.GetPackageRequest(package_id=parcel.made.package_id)
        try:
            return self._stub.GetPackage(request, timeout=_TIMEOUT_S).package
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:  # type: ignore[attr-defined]  # a call, too
                raise
            return None

    def faults(self, parcel: Parcel, stores: Stores) -> Iterator[str]:
        package = self.package(parcel)
        if parcel.has_receipt and (package is None or package.state not in _HELD):
            yield f"a receipt was given, and the package is {package}"
        if parcel.has_receipt and stores.digest(parcel.made.sha256) != (
            parcel.made.size_bytes,
            parcel.made.sha256,
        ):
            yield f"a receipt was given, and the bytes are {stores.digest(parcel.made.sha256)}"
        if parcel.is_cancelled and package is not None:
            yield "it was given up, and its package is there"
        if parcel.acknowledged and not parcel.is_cancelled:
            yield from self._offset_faults(parcel)

    def _offset_faults(self, parcel: Parcel) -> Iterator[str]:
        request = ingestion_service_pb2.GetUploadRequest(upload_id=parcel.upload_id)
        try:
            upload = self._stub.GetUpload(request, timeout=_TIMEOUT_S).upload
        except grpc.RpcError as error:
            yield f"{parcel.acknowledged} bytes were acknowledged, and the upload is {error}"
            return
        if upload.state == package_pb2.UPLOAD_STATE_CANCELLED:
            return  # its cancellation took effect, and only the answer was lost
        if upload.committed_offset < parcel.acknowledged:
            yield f"{parcel.acknowledged} bytes were acknowledged, {upload.committed_offset} are there"

    def _open(self, parcel: Parcel) -> Sender:
        request = ingestion_service_pb2.CreateUploadRequest(descriptor=parcel.descriptor)
        upload = self._stub.CreateUpload(request, timeout=_TIMEOUT_S).upload
        parcel.upload_id = upload.upload_id
        parcel.acknowledged = upload.committed_offset
        return Sender(self._stub, upload.upload_id, upload.committed_offset)

    def _finish(self, parcel: Parcel, sender: Sender) -> None:
        for answer in sender.answers():
            if answer.HasField("ack"):
                parcel.acknowledged = answer.ack.committed_offset
            else:
                parcel.acknowledged = parcel.made.size_bytes
                parcel.has_receipt = True
