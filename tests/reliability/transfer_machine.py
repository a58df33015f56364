"""Random steps of a device that uploads two packages, each compared with the model: see `transfer_model`."""

from __future__ import annotations

import os

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.reliability.transfer_model import CANCELLED, EXPIRED, FINISHED, HELD, UNKNOWN, DivergenceError
from tests.reliability.transfer_traffic import (
    PACKAGE_STATES,
    SIZES_BYTES,
    Traffic,
    require_same,
    upload_state,
)
from tests.reliability.transfer_world import PIECE_BYTES, Stream, World
from tests.support.waiting import eventually
from tests.tinysphere.ingestion.builders import DEVICE_ID, describe
from tinymlops.v1 import ingestion_service_pb2 as messages

_NUMBERS = st.integers(0, len(SIZES_BYTES) - 1)
_PIECES = st.integers(1, 5)


def _is_under_way(machine: UploadMachine) -> bool:
    """Whether an upload could suffer."""
    return any(model.is_active for model in machine.traffic.models)


class UploadMachine(RuleBasedStateMachine):
    """The steps."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.traffic = Traffic(world)
        world.counts["runs"] += 1

    @rule(number=_NUMBERS)
    def create(self, number: int) -> None:
        self.traffic.create(number)

    @rule(number=_NUMBERS)
    def create_with_other_content(self, number: int) -> None:
        if self.traffic.models[number].package_state == UNKNOWN:
            return
        other = describe(os.urandom(100), package_id=self.traffic.descriptors[number].package_id)
        request = messages.CreateUploadRequest(descriptor=other)
        require_same(self.traffic.refusal(self.world.stub.CreateUpload, request), "PACKAGE_CONFLICT")

    @rule(number=_NUMBERS)
    def put(self, number: int) -> None:
        self.traffic.cut(number)
        request = messages.PutPackageRequest(
            descriptor=self.traffic.descriptors[number], content=self.traffic.contents[number]
        )
        package = self.world.ask(self.world.stub.PutPackage, request).package
        require_same(PACKAGE_STATES.get(package.state), HELD)
        self.traffic.models[number].finished()

    @rule(number=_NUMBERS, back=st.integers(0, 3))
    def open_or_take_over(self, number: int, back: int) -> None:
        model = self.traffic.active(number)
        older = self.traffic.streams.pop(number, None)
        offset = max(model.least - back * PIECE_BYTES, 0)
        self.traffic.streams[number] = Stream(self.world.stub, model.upload_id, offset)
        if older is not None:
            require_same(older.reason(), "UPLOAD_SUPERSEDED")
            self.traffic.take_acknowledgements(number, older)

    @rule(number=_NUMBERS)
    def open_above(self, number: int) -> None:
        model = self.traffic.active(number)
        self.traffic.cut(number)
        stream = Stream(self.world.stub, model.upload_id, model.most + 1)
        require_same(stream.reason(), "UPLOAD_OFFSET_MISMATCH")

    @rule(number=_NUMBERS, pieces=_PIECES)
    def send(self, number: int, pieces: int) -> None:
        stream = self.traffic.opened(number)
        self.traffic.send(number, stream, pieces)
        eventually(lambda: self.traffic.committed(number) >= stream.position or stream.has_ended)
        self.world.counts["sends"] += 1
        if stream.has_ended:
            raise DivergenceError(f"the stream ended: {stream.error!r}")

    @rule(number=_NUMBERS, pieces=_PIECES)
    def send_and_cut(self, number: int, pieces: int) -> None:
        self.traffic.send(number, self.traffic.opened(number), pieces)
        self.traffic.cut(number)

    @rule(number=_NUMBERS)
    def send_damaged(self, number: int) -> None:
        stream = self.traffic.opened(number)
        if stream.position < SIZES_BYTES[number]:
            stream.send(self.traffic.contents[number], checksum=0)
            self.traffic.is_refused(number, "CHUNK_CORRUPT")

    @rule(number=_NUMBERS)
    def send_with_a_gap(self, number: int) -> None:
        stream = self.traffic.opened(number)
        if stream.position + PIECE_BYTES < SIZES_BYTES[number]:
            stream.position += PIECE_BYTES
            stream.send(self.traffic.contents[number])
            self.traffic.is_refused(number, "UPLOAD_OFFSET_MISMATCH")

    @rule(number=_NUMBERS)
    def finish(self, number: int) -> None:
        stream = self.traffic.opened(number)
        self.traffic.send(number, stream, len(self.traffic.contents[number]))
        stream.finish()
        self.traffic.is_refused(number, "")
        if stream.receipt is None or stream.receipt.package.descriptor != self.traffic.descriptors[number]:
            raise DivergenceError(f"the receipt is {stream.receipt}")
        self.traffic.models[number].finished()
        self.world.counts["receipts"] += 1

    @rule(number=_NUMBERS)
    def finish_too_early(self, number: int) -> None:
        stream, model = self.traffic.opened(number), self.traffic.models[number]
        if model.most < model.size_bytes:
            stream.finish()
            self.traffic.is_refused(number, "DIGEST_MISMATCH")
            model.refused_digest()

    @rule(number=_NUMBERS)
    def use_an_upload_that_is_over(self, number: int) -> None:
        for upload_id, state in self.traffic.models[number].ended.items():
            stream = Stream(self.world.stub, upload_id, SIZES_BYTES[number] if state == FINISHED else 0)
            stream.finish()
            expected = {FINISHED: "", CANCELLED: "UPLOAD_NOT_FOUND", EXPIRED: "UPLOAD_EXPIRED"}[state]
            require_same(stream.reason(), expected)
            require_same(stream.receipt is not None, state == FINISHED)

    @rule(number=_NUMBERS)
    def cancel(self, number: int) -> None:
        model = self.traffic.models[number]
        if model.is_active:
            request = messages.CancelUploadRequest(upload_id=model.upload_id)
            require_same(
                upload_state(self.world.ask(self.world.stub.CancelUpload, request).upload), CANCELLED
            )
            model.cancelled()
            if number in self.traffic.streams:
                self.traffic.is_refused(number, "UPLOAD_NOT_FOUND")

    @rule(number=_NUMBERS)
    def cancel_what_is_over(self, number: int) -> None:
        for upload_id, state in self.traffic.models[number].ended.items():
            request = messages.CancelUploadRequest(upload_id=upload_id)
            if state == FINISHED:
                require_same(self.traffic.refusal(self.world.stub.CancelUpload, request), "UPLOAD_FINISHED")
            else:
                require_same(
                    upload_state(self.world.ask(self.world.stub.CancelUpload, request).upload), state
                )

    @precondition(_is_under_way)
    @rule()
    def expire(self) -> None:
        self.traffic.cut_all()
        for number, model in enumerate(self.traffic.models):
            if model.is_active:
                self.traffic.wait_until_expired(model.upload_id)
                self.traffic.models[number].expired()

    @precondition(_is_under_way)
    @rule()
    def cut_the_link(self) -> None:
        self.world.cut()
        self.traffic.cut_all()

    @precondition(_is_under_way)
    @rule()
    def kill(self) -> None:
        self.world.kill()
        self.traffic.cut_all()

    @invariant()
    def agrees(self) -> None:
        self.world.counts["steps"] += 1
        missing = []
        for number, model in enumerate(self.traffic.models):
            self.traffic.committed(number)
            for upload_id in model.ended:
                upload = self.traffic.upload(upload_id)
                model.seen(upload_id, upload_state(upload), upload.committed_offset)
                require_same(upload.HasField("package"), model.ended[upload_id] == FINISHED)
            require_same(self.traffic.package_state(number), model.package_state)
            missing += [] if model.is_held else [self.traffic.descriptors[number].sha256]
        request = messages.FindMissingRequest(
            device_id=DEVICE_ID, sha256=[one.sha256 for one in self.traffic.descriptors]
        )
        require_same(list(self.world.ask(self.world.stub.FindMissing, request).missing_sha256), missing)

    def teardown(self) -> None:
        self.traffic.cut_all()
