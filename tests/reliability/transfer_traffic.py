"""What the machine of random steps does with the server: two packages and their streams, every answer compared."""

from __future__ import annotations

import os
import time

import grpc

from tests.reliability.transfer_model import EXPIRED, HELD, UNKNOWN, UPLOADING, DivergenceError, UploadModel
from tests.reliability.transfer_world import EXPIRY_S, PIECE_BYTES, Stream, World, refusal_reason
from tests.tinysphere.ingestion.builders import describe
from tinymlops.v1 import ingestion_service_pb2 as messages
from tinymlops.v1 import package_pb2

SIZES_BYTES = (6 * PIECE_BYTES, 9 * PIECE_BYTES + 123)
_SWEEP_WAIT_S, _EXPIRY_WAIT_S = 0.5, 60.0
PACKAGE_STATES = {
    package_pb2.PACKAGE_STATE_UPLOADING: UPLOADING,
    package_pb2.PACKAGE_STATE_COMMITTED: HELD,
    package_pb2.PACKAGE_STATE_PROCESSING: HELD,
    package_pb2.PACKAGE_STATE_PROCESSED: HELD,
    package_pb2.PACKAGE_STATE_FAILED: HELD,
}


class Traffic:
    """Two packages, one stream each at most, and what the model says of them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.contents = [b""] * len(SIZES_BYTES)
        self.descriptors = [package_pb2.PackageDescriptor()] * len(SIZES_BYTES)
        self.models = [UploadModel(size_bytes=size) for size in SIZES_BYTES]
        self.streams: dict[int, Stream] = {}
        for number in range(len(SIZES_BYTES)):
            self.take_next_package(number)

    def create(self, number: int) -> None:
        """CreateUpload, compared with the model."""
        request = messages.CreateUploadRequest(descriptor=self.descriptors[number])
        upload = self.world.ask(self.world.stub.CreateUpload, request).upload
        self.models[number].created(upload.upload_id, upload_state(upload), upload.committed_offset)
        require_same(upload.HasField("package"), self.models[number].is_held)

    def active(self, number: int) -> UploadModel:
        """An upload that takes bytes; of the next package when this one has arrived."""
        if self.models[number].is_held:
            self.take_next_package(number)
        if not self.models[number].is_active:
            self.create(number)
        return self.models[number]

    def opened(self, number: int) -> Stream:
        """The stream, opened where the server is when there is none."""
        model = self.active(number)
        if number not in self.streams:
            self.streams[number] = Stream(self.world.stub, model.upload_id, model.least)
        return self.streams[number]

    def take_next_package(self, number: int) -> None:
        """Another package takes the place."""
        self.contents[number] = os.urandom(SIZES_BYTES[number])  # chance in bytes changes no step
        self.descriptors[number] = describe(self.contents[number])
        self.models[number] = UploadModel(size_bytes=SIZES_BYTES[number])

    def send(self, number: int, stream: Stream, pieces: int) -> None:
        """Hands so many pieces to the link, as far as there are any."""
        for _ in range(pieces):
            if stream.position < SIZES_BYTES[number]:
                stream.send(self.contents[number])
        self.models[number].sent(stream.position)

    def is_refused(self, number: int, reason: str) -> None:
        """The stream ends, for that reason."""
        stream = self.streams.pop(number)
        require_same(stream.reason(), reason)
        if reason == "" and stream.error is not None:
            raise DivergenceError(f"the stream broke: {stream.error!r}")
        if self.models[number].is_active:
            self.take_acknowledgements(number, stream)

    def cut(self, number: int) -> None:
        """Ends the stream without a word, if there is one."""
        stream = self.streams.pop(number, None)
        if stream is not None:
            stream.cut()
            self.take_acknowledgements(number, stream)

    def cut_all(self) -> None:
        """Ends every stream."""
        for number in list(self.streams):
            self.cut(number)

    def take_acknowledgements(self, number: int, stream: Stream) -> None:
        """They only grow, and what was acknowledged is never taken back."""
        model = self.models[number]
        require_same(stream.acknowledged, sorted(set(stream.acknowledged)))
        if stream.acknowledged:
            require_same(stream.acknowledged[-1] <= model.most, True)
            model.least = max(model.least, stream.acknowledged[-1])

    def committed(self, number: int) -> int:
        """What is durable of an active upload, compared with the model."""
        model = self.models[number]
        if not model.is_active:
            return 0
        upload = self.upload(model.upload_id)
        model.seen(upload.upload_id, upload_state(upload), upload.committed_offset)
        return model.least

    def upload(self, upload_id: str) -> package_pb2.Upload:
        """GetUpload."""
        request = messages.GetUploadRequest(upload_id=upload_id)
        return self.world.ask(self.world.stub.GetUpload, request).upload

    def package_state(self, number: int) -> str | None:
        """GetPackage, as the model names it."""
        request = messages.GetPackageRequest(package_id=self.descriptors[number].package_id)
        try:
            return PACKAGE_STATES.get(self.world.ask(self.world.stub.GetPackage, request).package.state)
        except grpc.RpcError as error:
            require_same(refusal_reason(error), "PACKAGE_NOT_FOUND")
            return UNKNOWN

    def refusal(self, call: object, request: object) -> str:
        """The reason why a call is refused."""
        try:
            answer = self.world.ask(call, request)  # type: ignore[arg-type]  # a stub's method
        except grpc.RpcError as error:
            return refusal_reason(error)
        raise DivergenceError(f"answered with {answer}")

    def wait_until_expired(self, upload_id: str) -> None:
        """Moves the clock on until an upload is over."""
        deadline_s = time.monotonic() + _EXPIRY_WAIT_S
        while True:
            # Again and again: the tail of a stream just cut may reach the disk later, and count as a sign of life.
            self.world.pass_time(EXPIRY_S + 1)
            look_until_s = time.monotonic() + _SWEEP_WAIT_S
            while time.monotonic() < look_until_s:
                if upload_state(self.upload(upload_id)) == EXPIRED:
                    return
                time.sleep(0.02)
            if time.monotonic() > deadline_s:
                raise DivergenceError(f"upload {upload_id} does not expire")


def upload_state(upload: package_pb2.Upload) -> str:
    """As the model names it."""
    return package_pb2.UploadState.Name(upload.state).removeprefix("UPLOAD_STATE_")


def require_same(seen: object, expected: object) -> None:
    """Raises DivergenceError when they differ."""
    if seen != expected:
        raise DivergenceError(f"expected {expected!r}, got {seen!r}")
