"""A real server behind a link that is cut, as the machine of random steps meets it: killed, and spoken to again."""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import google_crc32c
import grpc
from grpc_status import rpc_status

from rig.link import FaultyLink, LinkFaults
from tests.reliability.transfer_server import QuickServer, quick_server
from tests.reliability.uploads_processes import lasting_address
from tests.support.refusals import read_refusal
from tests.tinysphere.ingestion.builders import DEVICE_ID
from tinymlops.v1 import device_pb2, device_service_pb2, device_service_pb2_grpc
from tinymlops.v1 import ingestion_service_pb2 as messages
from tinymlops.v1.ingestion_service_pb2_grpc import IngestionServiceStub

PIECE_BYTES = 4096
EXPIRY_S = 100_000.0
_SETTINGS: dict[str, object] = {
    "upload_chunk_bytes": PIECE_BYTES,
    "upload_commit_bytes": PIECE_BYTES,
    "upload_commit_interval_s": 0.02,
    "upload_expiry_s": EXPIRY_S,
    "upload_result_retention_s": 1e9,
    "upload_quota_bytes": 1 << 40,
    "sweep_interval_s": 0.05,
}
_CHANNEL = [
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 100),
]
_TIMEOUT_S, _BROKEN_FOR_S = 30.0, 60.0

AnswerT = TypeVar("AnswerT")


class Stream:
    """One UploadPackage stream; a thread collects what is answered.

    Attributes:
        position: Offset of the next byte to send.
        acknowledged: Offsets, in the order they came.
        receipt: The package, once it came.
        error: How it was refused or broke off.
    """

    def __init__(self, stub: IngestionServiceStub, upload_id: str, offset: int) -> None:
        self.position = offset
        self.acknowledged: list[int] = []
        self.receipt: messages.UploadDone | None = None
        self.error: grpc.RpcError | None = None
        self._requests: queue.Queue[messages.UploadPackageRequest | None] = queue.Queue()
        self._call = stub.UploadPackage(
            iter(self._requests.get, None), timeout=_BROKEN_FOR_S, wait_for_ready=True
        )
        self._requests.put(
            messages.UploadPackageRequest(open=messages.UploadOpen(upload_id=upload_id, offset=offset))
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def has_ended(self) -> bool:
        """Whether the server or the link ended it."""
        return not self._reader.is_alive()

    def send(self, content: bytes, *, checksum: int | None = None) -> None:
        """Hands the next piece to the link."""
        data = content[self.position : self.position + PIECE_BYTES]
        crc32c = google_crc32c.value(data) if checksum is None else checksum
        chunk = messages.UploadChunk(offset=self.position, data=data, crc32c=crc32c)
        self._requests.put(messages.UploadPackageRequest(chunk=chunk))
        self.position += len(data)

    def finish(self) -> None:
        """Asks for the receipt."""
        self._requests.put(messages.UploadPackageRequest(finish=messages.UploadFinish()))

    def cut(self) -> None:
        """Ends it without a word."""
        self._call.cancel()
        self._requests.put(None)
        self._reader.join()

    def reason(self) -> str:
        """Waits for its end, and returns why the server refused it; empty when it did not."""
        self._reader.join(_BROKEN_FOR_S)
        return "" if self.error is None else refusal_reason(self.error)

    def _read(self) -> None:
        try:
            for answer in self._call:
                if answer.HasField("ack"):
                    self.acknowledged.append(answer.ack.committed_offset)
                else:
                    self.receipt = answer.done
        except grpc.RpcError as error:
            self.error = error
        finally:
            self._requests.put(None)


@dataclass(slots=True, kw_only=True)
class World:
    """The server, the link, and what was done to them."""

    server: QuickServer
    link: FaultyLink
    address: str
    clock: Path
    stub: IngestionServiceStub
    channel: grpc.Channel
    counts: Counter[str] = field(default_factory=Counter)

    def kill(self) -> None:
        """`kill -9`, and a new start."""
        self.server.kill()
        self.start()
        self._reach()
        self.counts["kills"] += 1

    def start(self) -> None:
        """Starts the server at its place."""
        self.server.start(ingestion_address=self.address, clock_file=str(self.clock), **_SETTINGS)

    def cut(self) -> None:
        """Breaks every connection."""
        self.link.cut()
        self._reach()
        self.counts["cuts"] += 1

    def _reach(self) -> None:
        """Speaks until somebody answers, so that no later call meets the connection that broke."""
        self.ask(self.stub.ListPackages, messages.ListPackagesRequest(page_size=1))

    def pass_time(self, seconds: float) -> None:
        """Moves the server's clock on."""
        shift_s = float(self.clock.read_text()) + seconds
        aside = self.clock.with_suffix(".new")
        aside.write_text(str(shift_s))
        aside.rename(self.clock)

    def ask(self, call: Callable[..., AnswerT], request: object) -> AnswerT:
        """A call that is repeated while the link is broken; every one may be.

        Raises:
            grpc.RpcError: The server refused.
        """
        deadline_s = time.monotonic() + _BROKEN_FOR_S
        while True:
            try:
                return call(request, timeout=_TIMEOUT_S, wait_for_ready=True)
            except grpc.RpcError as error:
                if refusal_reason(error) or time.monotonic() > deadline_s:
                    raise
                time.sleep(0.01)


def refusal_reason(error: grpc.RpcError) -> str:
    """The reason the server gave; empty when it gave none, which is what a broken link looks like."""
    return read_refusal(error).reason if rpc_status.from_call(error) is not None else ""


@contextmanager
def open_world(folder: Path, seed: int = 0) -> Iterator[World]:
    """A running server that knows the device."""
    address = lasting_address()
    clock = folder / "clock"
    clock.write_text("0")
    with (
        quick_server(folder) as server,
        FaultyLink(address, LinkFaults(), seed=seed) as link,
        grpc.insecure_channel(link.address, options=_CHANNEL) as channel,
    ):
        stub = IngestionServiceStub(channel)
        world = World(server=server, link=link, address=address, clock=clock, stub=stub, channel=channel)
        world.start()
        device = device_pb2.Device(device_id=DEVICE_ID)
        world.ask(
            device_service_pb2_grpc.DeviceServiceStub(channel).RegisterDevice,
            device_service_pb2.RegisterDeviceRequest(device=device),
        )
        yield world
