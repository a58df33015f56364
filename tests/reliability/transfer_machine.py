"""Random steps of a device that uploads two packages, each compared with the model: see `transfer_model`."""

from __future__ import annotations

import os
import time

import grpc
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.reliability.transfer_model import (
    CANCELLED,
    EXPIRED,
    FINISHED,
    HELD,
    UNKNOWN,
    UPLOADING,
    DivergenceError,
    UploadModel,
)
from tests.reliability.transfer_world import EXPIRY_S, PIECE_BYTES, Stream, World, refusal_reason
from tests.support.waiting import eventually
from tests.tinysphere.ingestion.builders import DEVICE_ID, describe
from tinymlops.v1 import ingestion_service_pb2 as messages
from tinymlops.v1 import package_pb2

SIZES_BYTES = (6 * PIECE_BYTES, 9 * PIECE_BYTES + 123)
_SWEEP_WAIT_S, _EXPIRY_WAIT_S = 0.5, 60.0
_STATES = {
    package_pb2.PACKAGE_STATE_UPLOADING: UPLOADING,
    package_pb2.PACKAGE_STATE_COMMITTED: HELD,
    package_pb2.PACKAGE_STATE_PROCESSING: HELD,
    package_pb2.PACKAGE_STATE_PROCESSED: HELD,
    package_pb2.PACKAGE_STATE_FAILED: HELD,
}
_NUMBERS = st.integers(0, len(SIZES_BYTES) - 1)
_PIECES = st.integers(1, 5)


def _is_under_way(machine: UploadMachine) -> bool:
    """Whether an upload could suffer."""
    return any(model.is_active for model in machine.models)


class UploadMachine(RuleBasedStateMachine):
    """Two packages, one stream each at most."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.contents = [b""] * len(SIZES_BYTES)
        self.descriptors = [package_pb2.PackageDescriptor()] * len(SIZES_BYTES)
        self.models = [UploadModel(size_bytes=size) for size in SIZES_BYTES]
        self.streams: dict[int, Stream] = {}
        for number in range(len(SIZES_BYTES)):
            self._take_next_package(number)
        world.counts["runs"] += 1

    @rule(number=_NUMBERS)
    def create(self, number: int) -> None:
        request = messages.CreateUploadRequest(descriptor=self.descriptors[number])
        upload = self.world.ask(self.world.stub.CreateUpload, request).upload
        self.models[number].created(upload.upload_id, _name(upload), upload.committed_offset)
        _same(upload.HasField("package"), self.models[number].is_held)

    @rule(number=_NUMBERS)
    def create_with_other_content(self, number: int) -> None:
        if self.models[number].package_state == UNKNOWN:
            return
        other = describe(os.urandom(100), package_id=self.descriptors[number].package_id)
        request = messages.CreateUploadRequest(descriptor=other)
        _same(self._refusal(self.world.stub.CreateUpload, request), "PACKAGE_CONFLICT")

    @rule(number=_NUMBERS)
    def put(self, number: int) -> None:
        self._cut(number)
        request = messages.PutPackageRequest(
            descriptor=self.descriptors[number], content=self.contents[number]
        )
        package = self.world.ask(self.world.stub.PutPackage, request).package
        _same(_STATES.get(package.state), HELD)
        self.models[number].finished()

    @rule(number=_NUMBERS, back=st.integers(0, 3))
    def open_or_take_over(self, number: int, back: int) -> None:
        model = self._active(number)
        older = self.streams.pop(number, None)
        offset = max(model.least - back * PIECE_BYTES, 0)
        self.streams[number] = Stream(self.world.stub, model.upload_id, offset)
        if older is not None:
            _same(older.reason(), "UPLOAD_SUPERSEDED")
            self._take_acknowledgements(number, older)

    @rule(number=_NUMBERS)
    def open_above(self, number: int) -> None:
        model = self._active(number)
        self._cut(number)
        stream = Stream(self.world.stub, model.upload_id, model.most + 1)
        _same(stream.reason(), "UPLOAD_OFFSET_MISMATCH")

    @rule(number=_NUMBERS, pieces=_PIECES)
    def send(self, number: int, pieces: int) -> None:
        stream = self._opened(number)
        self._send(number, stream, pieces)
        eventually(lambda: self._committed(number) >= stream.position or stream.has_ended)
        self.world.counts["sends"] += 1
        if stream.has_ended:
            raise DivergenceError(f"the stream ended: {stream.error!r}")

    @rule(number=_NUMBERS, pieces=_PIECES)
    def send_and_cut(self, number: int, pieces: int) -> None:
        self._send(number, self._opened(number), pieces)
        self._cut(number)

    @rule(number=_NUMBERS)
    def send_damaged(self, number: int) -> None:
        stream = self._opened(number)
        if stream.position < SIZES_BYTES[number]:
            stream.send(self.contents[number], checksum=0)
            self._is_refused(number, "CHUNK_CORRUPT")

    @rule(number=_NUMBERS)
    def send_with_a_gap(self, number: int) -> None:
        stream = self._opened(number)
        if stream.position + PIECE_BYTES < SIZES_BYTES[number]:
            stream.position += PIECE_BYTES
            stream.send(self.contents[number])
            self._is_refused(number, "UPLOAD_OFFSET_MISMATCH")

    @rule(number=_NUMBERS)
    def finish(self, number: int) -> None:
        stream = self._opened(number)
        self._send(number, stream, len(self.contents[number]))
        stream.finish()
        self._is_refused(number, "")
        if stream.receipt is None or stream.receipt.package.descriptor != self.descriptors[number]:
            raise DivergenceError(f"the receipt is {stream.receipt}")
        self.models[number].finished()
        self.world.counts["receipts"] += 1

    @rule(number=_NUMBERS)
    def finish_too_early(self, number: int) -> None:
        stream, model = self._opened(number), self.models[number]
        if model.most < model.size_bytes:
            stream.finish()
            self._is_refused(number, "DIGEST_MISMATCH")
            model.refused_digest()

    @rule(number=_NUMBERS)
    def use_an_upload_that_is_over(self, number: int) -> None:
        for upload_id, state in self.models[number].ended.items():
            stream = Stream(self.world.stub, upload_id, SIZES_BYTES[number] if state == FINISHED else 0)
            stream.finish()
            expected = {FINISHED: "", CANCELLED: "UPLOAD_NOT_FOUND", EXPIRED: "UPLOAD_EXPIRED"}[state]
            _same(stream.reason(), expected)
            _same(stream.receipt is not None, state == FINISHED)

    @rule(number=_NUMBERS)
    def cancel(self, number: int) -> None:
        model = self.models[number]
        if model.is_active:
            request = messages.CancelUploadRequest(upload_id=model.upload_id)
            _same(_name(self.world.ask(self.world.stub.CancelUpload, request).upload), CANCELLED)
            model.cancelled()
            if number in self.streams:
                self._is_refused(number, "UPLOAD_NOT_FOUND")

    @rule(number=_NUMBERS)
    def cancel_what_is_over(self, number: int) -> None:
        for upload_id, state in self.models[number].ended.items():
            request = messages.CancelUploadRequest(upload_id=upload_id)
            if state == FINISHED:
                _same(self._refusal(self.world.stub.CancelUpload, request), "UPLOAD_FINISHED")
            else:
                _same(_name(self.world.ask(self.world.stub.CancelUpload, request).upload), state)

    @precondition(_is_under_way)
    @rule()
    def expire(self) -> None:
        self._cut_all()
        for number, model in enumerate(self.models):
            if model.is_active:
                self._wait_until_expired(model.upload_id)
                self.models[number].expired()

    @precondition(_is_under_way)
    @rule()
    def cut_the_link(self) -> None:
        self.world.cut()
        self._cut_all()

    @precondition(_is_under_way)
    @rule()
    def kill(self) -> None:
        self.world.kill()
        self._cut_all()

    @invariant()
    def agrees(self) -> None:
        self.world.counts["steps"] += 1
        missing = []
        for number, model in enumerate(self.models):
            self._committed(number)
            for upload_id in model.ended:
                upload = self._upload(upload_id)
                model.seen(upload_id, _name(upload), upload.committed_offset)
                _same(upload.HasField("package"), model.ended[upload_id] == FINISHED)
            _same(self._package_state(number), model.package_state)
            missing += [] if model.is_held else [self.descriptors[number].sha256]
        request = messages.FindMissingRequest(
            device_id=DEVICE_ID, sha256=[one.sha256 for one in self.descriptors]
        )
        _same(list(self.world.ask(self.world.stub.FindMissing, request).missing_sha256), missing)

    def teardown(self) -> None:
        self._cut_all()

    def _active(self, number: int) -> UploadModel:
        """An upload that takes bytes; of the next package when this one has arrived."""
        if self.models[number].is_held:
            self._take_next_package(number)
        if not self.models[number].is_active:
            self.create(number)
        return self.models[number]

    def _opened(self, number: int) -> Stream:
        """The stream, opened where the server is when there is none."""
        model = self._active(number)
        if number not in self.streams:
            self.streams[number] = Stream(self.world.stub, model.upload_id, model.least)
        return self.streams[number]

    def _take_next_package(self, number: int) -> None:
        self.contents[number] = os.urandom(SIZES_BYTES[number])  # chance in bytes changes no step
        self.descriptors[number] = describe(self.contents[number])
        self.models[number] = UploadModel(size_bytes=SIZES_BYTES[number])

    def _send(self, number: int, stream: Stream, pieces: int) -> None:
        for _ in range(pieces):
            if stream.position < SIZES_BYTES[number]:
                stream.send(self.contents[number])
        self.models[number].sent(stream.position)

    def _is_refused(self, number: int, reason: str) -> None:
        """The stream ends, for that reason."""
        stream = self.streams.pop(number)
        _same(stream.reason(), reason)
        if reason == "" and stream.error is not None:
            raise DivergenceError(f"the stream broke: {stream.error!r}")
        if self.models[number].is_active:
            self._take_acknowledgements(number, stream)

    def _cut(self, number: int) -> None:
        stream = self.streams.pop(number, None)
        if stream is not None:
            stream.cut()
            self._take_acknowledgements(number, stream)

    def _cut_all(self) -> None:
        for number in list(self.streams):
            self._cut(number)

    def _take_acknowledgements(self, number: int, stream: Stream) -> None:
        """They only grow, and what was acknowledged is never taken back."""
        model = self.models[number]
        _same(stream.acknowledged, sorted(set(stream.acknowledged)))
        if stream.acknowledged:
            _same(stream.acknowledged[-1] <= model.most, True)
            model.least = max(model.least, stream.acknowledged[-1])

    def _committed(self, number: int) -> int:
        """What is durable of an active upload, compared with the model."""
        model = self.models[number]
        if not model.is_active:
            return 0
        upload = self._upload(model.upload_id)
        model.seen(upload.upload_id, _name(upload), upload.committed_offset)
        return model.least

    def _upload(self, upload_id: str) -> package_pb2.Upload:
        request = messages.GetUploadRequest(upload_id=upload_id)
        return self.world.ask(self.world.stub.GetUpload, request).upload

    def _package_state(self, number: int) -> str | None:
        request = messages.GetPackageRequest(package_id=self.descriptors[number].package_id)
        try:
            return _STATES.get(self.world.ask(self.world.stub.GetPackage, request).package.state)
        except grpc.RpcError as error:
            _same(refusal_reason(error), "PACKAGE_NOT_FOUND")
            return UNKNOWN

    def _refusal(self, call: object, request: object) -> str:
        try:
            answer = self.world.ask(call, request)  # type: ignore[arg-type]  # a stub's method
        except grpc.RpcError as error:
            return refusal_reason(error)
        raise DivergenceError(f"answered with {answer}")

    def _wait_until_expired(self, upload_id: str) -> None:
        deadline_s = time.monotonic() + _EXPIRY_WAIT_S
        while True:
            # Again and again: the tail of a stream just cut may reach the disk later, and count as a sign of life.
            self.world.pass_time(EXPIRY_S + 1)
            look_until_s = time.monotonic() + _SWEEP_WAIT_S
            while time.monotonic() < look_until_s:
                if _name(self._upload(upload_id)) == EXPIRED:
                    return
                time.sleep(0.02)
            if time.monotonic() > deadline_s:
                raise DivergenceError(f"upload {upload_id} does not expire")


def _name(upload: package_pb2.Upload) -> str:
    return package_pb2.UploadState.Name(upload.state).removeprefix("UPLOAD_STATE_")


def _same(seen: object, expected: object) -> None:
    if seen != expected:
        raise DivergenceError(f"expected {expected!r}, got {seen!r}")
