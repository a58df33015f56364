"""A server around a servicer that does as a test says, and peers that send or are silent."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc

from tinymlops.v1 import (
    device_service_pb2,
    device_service_pb2_grpc,
    ingestion_service_pb2_grpc,
)
from tinymlops.v1 import ingestion_service_pb2 as messages
from tinysphere.rpc.server import (
    Registration,
    RpcServer,
)
from tinysphere.settings import Settings

BOUND_S = 30.0
NAME = "tinymlops.v1.IngestionService"
DEVICES = "tinymlops.v1.DeviceService"
UPLOAD = f"/{NAME}/UploadPackage"
OPEN = messages.UploadPackageRequest(open=messages.UploadOpen(upload_id="1"))


class Servicer(ingestion_service_pb2_grpc.IngestionServiceServicer):
    """Does as a test says; the rest is not implemented."""

    def __init__(self) -> None:
        self.get_upload: Callable[[], messages.GetUploadResponse] = messages.GetUploadResponse
        self.watch_package: Callable[[], Iterator[messages.WatchPackageResponse]] = lambda: iter(())
        self.began = threading.Semaphore(0)

    def GetUpload(self, request: messages.GetUploadRequest, context: grpc.ServicerContext) -> Any:
        return self.get_upload()

    def WatchPackage(
        self, request: messages.WatchPackageRequest, context: grpc.ServicerContext
    ) -> Iterator[messages.WatchPackageResponse]:
        yield from self.watch_package()

    def UploadPackage(
        self, request_iterator: Iterator[messages.UploadPackageRequest], context: grpc.ServicerContext
    ) -> Iterator[messages.UploadPackageResponse]:
        self.began.release()
        for _ in request_iterator:
            yield messages.UploadPackageResponse(ack=messages.UploadAck(committed_offset=7))


class Devices(device_service_pb2_grpc.DeviceServiceServicer):
    """Answers with nothing."""

    def GetDevice(self, request: device_service_pb2.GetDeviceRequest, context: object) -> Any:
        return device_service_pb2.GetDeviceResponse()

    def Heartbeat(self, request: device_service_pb2.HeartbeatRequest, context: object) -> Any:
        return device_service_pb2.HeartbeatResponse()


@contextmanager
def serving(servicer: Servicer, tmp_path: Path, **settings: Any) -> Iterator[tuple[RpcServer, grpc.Channel]]:
    registrations = [Registration(NAME, servicer), Registration(DEVICES, Devices())]
    server = RpcServer("127.0.0.1:0", registrations, settings=Settings(data_dir=tmp_path, **settings))
    with grpc.insecure_channel(f"127.0.0.1:{server.start()}") as channel:
        yield server, channel
    server.stop(grace_s=1)


class Silent:
    """A peer that sends nothing more; ends with the test."""

    def __init__(self) -> None:
        self._ended = threading.Event()

    def __iter__(self) -> Iterator[messages.UploadPackageRequest]:
        self._ended.wait()
        yield from ()

    def end(self) -> None:
        self._ended.set()


class Sender:
    """An upload stream that stays open until the test ends it."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._more = threading.Semaphore(0)
        self._ended = False
        self.answers = ingestion_service_pb2_grpc.IngestionServiceStub(channel).UploadPackage(iter(self))

    def __iter__(self) -> Iterator[messages.UploadPackageRequest]:
        yield OPEN
        while self._more.acquire() and not self._ended:
            yield OPEN

    def send(self) -> None:
        self._more.release()

    def end(self) -> None:
        self._ended = True
        self.send()


def stub(channel: grpc.Channel) -> ingestion_service_pb2_grpc.IngestionServiceStub:
    return ingestion_service_pb2_grpc.IngestionServiceStub(channel)
