"""The server around any servicer: raw bytes, statuses, health, reflection, shares of threads, an orderly end."""

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from tests.support.refusals import read_refusal, refused
from tests.support.waiting import eventually
from tinylcm.sync import client, window
from tinymlops.v1 import (
    device_service_pb2,
    device_service_pb2_grpc,
    ingestion_service_pb2_grpc,
    package_pb2,
)
from tinymlops.v1 import ingestion_service_pb2 as messages
from tinysphere.errors import NotFoundError, UnavailableError
from tinysphere.rpc.comeback import ComebackTimes
from tinysphere.rpc.gate import Gate, GateLimits
from tinysphere.rpc.server import (
    KEEPALIVE_TIMEOUT_S,
    MIN_PING_INTERVAL_S,
    STALL_S,
    WAITING_BEFORE_CALLS,
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


@pytest.fixture
def servicer() -> Servicer:
    return Servicer()


@pytest.fixture
def channel(servicer: Servicer, tmp_path: Path) -> Iterator[grpc.Channel]:
    with serving(servicer, tmp_path, rpc_threads=8) as (_, channel):
        yield channel


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


@pytest.mark.parametrize("content", [b"\xff", b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x02\xff\xfe"])
def test_malformed_bytes_are_the_callers_fault(channel: grpc.Channel, content: bytes) -> None:
    raw = channel.unary_unary(f"/{NAME}/GetUpload")
    refusal = refused(raw, content)
    assert refusal.kind == ("INVALID_ARGUMENT", "MALFORMED_REQUEST")
    assert "tinymlops.v1.GetUploadRequest" in refusal.message


def test_malformed_bytes_end_a_stream_after_what_came_before(channel: grpc.Channel) -> None:
    raw = channel.stream_stream(UPLOAD)
    answers = raw(iter([OPEN.SerializeToString(), b"\xff"]))
    assert messages.UploadPackageResponse.FromString(next(answers)).ack.committed_offset == 7
    assert refused(lambda: answers).kind == ("INVALID_ARGUMENT", "MALFORMED_REQUEST")


def test_our_errors_carry_their_details(channel: grpc.Channel, servicer: Servicer) -> None:
    def fail() -> messages.GetUploadResponse:
        raise NotFoundError("UPLOAD_NOT_FOUND", "no such upload", metadata={"upload_id": "1"})

    servicer.get_upload = fail
    refusal = refused(stub(channel).GetUpload, messages.GetUploadRequest())
    assert refusal.kind == ("NOT_FOUND", "UPLOAD_NOT_FOUND")
    assert refusal.metadata == {"upload_id": "1"}
    assert refusal.message == "no such upload"


def test_unexpected_errors_tell_the_log_and_not_the_caller(
    channel: grpc.Channel, servicer: Servicer, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> messages.GetUploadResponse:
        raise ZeroDivisionError("secret")

    servicer.get_upload = fail
    refusal = refused(stub(channel).GetUpload, messages.GetUploadRequest())
    assert refusal.kind == ("INTERNAL", "INTERNAL")
    assert "secret" not in refusal.message
    assert "ZeroDivisionError: secret" in caplog.text


def test_methods_without_a_body_are_unimplemented(channel: grpc.Channel) -> None:
    refusal = refused(stub(channel).GetPackage, messages.GetPackageRequest())
    assert refusal.kind == ("UNIMPLEMENTED", "UNIMPLEMENTED")


def test_health_is_served_for_the_server_and_each_service(channel: grpc.Channel) -> None:
    health = health_pb2_grpc.HealthStub(channel)
    for name in ("", NAME, DEVICES):
        answer = health.Check(health_pb2.HealthCheckRequest(service=name))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_reflection_lists_services_and_their_messages(channel: grpc.Channel) -> None:
    database = ProtoReflectionDescriptorDatabase(channel)
    assert set(database.get_services()) == {
        NAME,
        DEVICES,
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    file = database.FindFileContainingSymbol("tinymlops.v1.PutPackageRequest")
    assert file.name == "tinymlops/v1/ingestion_service.proto"


def test_streams_leave_threads_to_short_calls(servicer: Servicer, tmp_path: Path) -> None:
    with serving(servicer, tmp_path, rpc_threads=4, rpc_stream_share=0.5) as (_, channel):
        senders = [Sender(channel), Sender(channel)]
        for sender in senders:
            assert next(sender.answers).ack.committed_offset == 7
        refusal = refused(lambda: Sender(channel).answers)
        assert refusal.kind == ("RESOURCE_EXHAUSTED", "TOO_MANY_STREAMS")
        assert refusal.retry_after_s is not None
        assert stub(channel).GetUpload(messages.GetUploadRequest()) == messages.GetUploadResponse()
        for sender in senders:
            sender.end()
            assert list(sender.answers) == []
        again = Sender(channel)
        assert next(again.answers).ack.committed_offset == 7
        again.end()


def test_a_crowded_server_turns_streams_away_then_calls_and_never_heartbeats(
    servicer: Servicer, tmp_path: Path
) -> None:
    threads = 2
    began, may_end = threading.Semaphore(0), threading.Event()

    def work() -> messages.GetUploadResponse:
        began.release()
        assert may_end.wait(BOUND_S)
        return messages.GetUploadResponse()

    servicer.get_upload = work
    with serving(servicer, tmp_path, rpc_threads=threads) as (server, channel):
        devices = device_service_pb2_grpc.DeviceServiceStub(channel)
        calls = list[Any]()

        def wait_for(waiting_count: int) -> None:
            assert eventually(lambda: server._pool.waiting_count == waiting_count)

        def ask(count: int) -> None:
            calls.extend(stub(channel).GetUpload.future(messages.GetUploadRequest()) for _ in range(count))

        ask(threads)
        assert all(began.acquire(timeout=BOUND_S) for _ in range(threads))
        stream = channel.stream_stream(UPLOAD)(iter([OPEN.SerializeToString()]))
        wait_for(1)
        ask(WAITING_BEFORE_CALLS + 10)
        wait_for(1 + WAITING_BEFORE_CALLS + 10)
        beats = [
            devices.Heartbeat.future(device_service_pb2.HeartbeatRequest()) for _ in range(40)
        ]  # a connection takes a hundred calls
        wait_for(1 + WAITING_BEFORE_CALLS + 10 + 40)
        may_end.set()
        refusal = refused(lambda: stream)
        assert refusal.kind == ("UNAVAILABLE", "OVERLOADED")
        assert refusal.retry_after_s
        for beat in beats:
            assert beat.result(BOUND_S) == device_service_pb2.HeartbeatResponse()
        failed = [read_refusal(call) for call in calls if call.exception(BOUND_S) is not None]
        assert len(failed) == len(calls) - threads  # all had forty heartbeats behind them
        assert {refusal.kind for refusal in failed} == {("UNAVAILABLE", "OVERLOADED")}
        assert all(refusal.retry_after_s for refusal in failed)
        assert len({refusal.retry_after_s for refusal in failed}) > 1


def test_streams_are_turned_away_before_short_calls() -> None:
    comeback = ComebackTimes(returns_per_s=1, random=lambda: 0.5)
    waiting = [0]
    gate = Gate(GateLimits(streams=1, waiting_streams=10, waiting_calls=20), comeback, lambda: waiting[0])

    def let_in(waiting_count: int) -> list[bool]:
        waiting[0] = waiting_count
        entrances = (gate.stream(), gate.call(is_vital=False), gate.call(is_vital=True))
        return [enters(entrance) for entrance in entrances]

    assert let_in(10) == [True, True, True]
    assert let_in(11) == let_in(20) == [False, True, True]
    assert let_in(21) == [False, False, True]


def test_many_streams_share_what_is_read_ahead() -> None:
    comeback = ComebackTimes(returns_per_s=1, random=lambda: 0.5)
    gate = Gate(GateLimits(streams=3, waiting_streams=1, waiting_calls=1), comeback)
    with gate.stream():
        assert gate.share(8, 4) == 4
        with gate.stream(), gate.stream():
            assert gate.share(8, 4) == 2
            assert gate.share(2, 4) == 1
        assert gate.share(8, 4) == 4


def enters(entrance: AbstractContextManager[None]) -> bool:
    try:
        with entrance:
            return True
    except UnavailableError as error:
        assert error.reason == "OVERLOADED"
        assert error.retry_after_s
        return False


def test_a_link_of_64_kbit_is_not_taken_for_dead_while_it_carries_the_first_bytes() -> None:
    assert 2 * window._FIRST_BYTES / 8_000 < KEEPALIVE_TIMEOUT_S
    assert client.KEEPALIVE_INTERVAL_S > MIN_PING_INTERVAL_S


def test_a_stopping_server_ends_silent_streams_at_once(servicer: Servicer, tmp_path: Path) -> None:
    with serving(servicer, tmp_path, rpc_threads=8) as (server, channel):
        senders = [Sender(channel), Sender(channel)]
        for sender in senders:
            assert next(sender.answers).ack.committed_offset == 7
        server.stop(grace_s=3600)  # longer than any test may take: waiting for it would be noticed
        for sender in senders:
            refusal = refused(iter, sender.answers)
            assert refusal.kind == ("UNAVAILABLE", "DRAINING")
            assert refusal.retry_after_s is not None
            sender.end()
        server.stop(grace_s=0)  # a second time is fine


def test_a_stopping_server_does_not_wait_for_peers_that_take_nothing(
    servicer: Servicer, tmp_path: Path
) -> None:
    answer = messages.WatchPackageResponse(package=package_pb2.Package(error="x" * 1024 * 1024))
    counted, seen = itertools.count(), [0]
    servicer.watch_package = lambda: (answer for seen[0] in counted)
    with serving(servicer, tmp_path, rpc_threads=8) as (server, channel):
        answers = stub(channel).WatchPackage(messages.WatchPackageRequest())
        next(answers)  # and no more: what the link and both ends hold is full one day
        looks = list[int]()
        eventually(lambda: looks.append(seen[0]) or looks[-20:] == [seen[0]] * 20)
        server.stop(grace_s=3600)
        with pytest.raises(grpc.RpcError):
            list(answers)


def test_a_stopping_server_does_not_wait_for_requests_that_never_come_whole(
    servicer: Servicer, tmp_path: Path
) -> None:
    with serving(servicer, tmp_path, rpc_threads=8) as (server, channel):
        silent = Silent()
        call = channel.stream_unary(f"/{NAME}/GetUpload", request_serializer=bytes).future(iter(silent))
        assert stub(channel).GetUpload(messages.GetUploadRequest()) == messages.GetUploadResponse()
        server.stop(grace_s=3600)
        assert call.exception(BOUND_S) is not None
        silent.end()


def test_a_stopping_server_waits_for_calls_that_work(servicer: Servicer, tmp_path: Path) -> None:
    began, may_end = threading.Event(), threading.Event()

    def work() -> messages.GetUploadResponse:
        began.set()
        assert may_end.wait(BOUND_S)
        return messages.GetUploadResponse()

    servicer.get_upload = work
    with serving(servicer, tmp_path, rpc_threads=8) as (server, channel):
        call = stub(channel).GetUpload.future(messages.GetUploadRequest())
        assert began.wait(BOUND_S)
        stopping = threading.Thread(target=server.stop, args=(BOUND_S,))
        stopping.start()
        assert not server._gate.wait_for_work(3 * STALL_S)  # longer than the idle are given
        may_end.set()
        assert call.result(BOUND_S) == messages.GetUploadResponse()
        stopping.join(BOUND_S)
        assert not stopping.is_alive()


def test_a_stream_that_comes_while_the_server_drains_is_told_to_come_back() -> None:
    comeback = ComebackTimes(returns_per_s=1, random=lambda: 0.5)
    gate = Gate(GateLimits(streams=1, waiting_streams=1, waiting_calls=1), comeback)
    heard = list[UnavailableError]()
    with gate.stream(), gate.interrupting(heard.append):
        gate.close()
        gate.close()
    assert {error.reason for error in heard} == {"DRAINING"}
    for enter in (gate.stream, lambda: gate.interrupting(heard.append)):
        with pytest.raises(UnavailableError) as caught, enter():
            raise AssertionError("let in")
        assert caught.value.retry_after_s


def test_an_address_in_use_is_refused(tmp_path: Path, servicer: Servicer) -> None:
    settings = Settings(data_dir=tmp_path)
    first = RpcServer("127.0.0.1:0", [Registration(NAME, servicer)], settings=settings)
    port = first.start()
    second = RpcServer(f"127.0.0.1:{port}", [Registration(NAME, servicer)], settings=settings)
    with pytest.raises(UnavailableError) as caught:
        second.start()
    assert caught.value.reason == "ADDRESS_UNAVAILABLE"
    second.stop(grace_s=0)
    first.stop(grace_s=0)


def test_a_servicer_that_lacks_a_method_is_noticed_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(AttributeError):
        RpcServer("127.0.0.1:0", [Registration(NAME, object())], settings=Settings(data_dir=tmp_path))


def test_each_registration_serves_its_own_methods(servicer: Servicer, tmp_path: Path) -> None:
    registrations = [Registration(NAME, servicer), Registration(DEVICES, Devices())]
    server = RpcServer("127.0.0.1:0", registrations, settings=Settings(data_dir=tmp_path, rpc_threads=4))
    with grpc.insecure_channel(f"127.0.0.1:{server.start()}") as channel:
        devices = device_service_pb2_grpc.DeviceServiceStub(channel)
        assert (
            devices.GetDevice(device_service_pb2.GetDeviceRequest()) == device_service_pb2.GetDeviceResponse()
        )
        assert stub(channel).GetUpload(messages.GetUploadRequest()) == messages.GetUploadResponse()
    server.stop(grace_s=0)


def serves(health: health_pb2_grpc.HealthStub) -> bool:
    try:
        answer = health.Check(health_pb2.HealthCheckRequest())
    except grpc.RpcError:  # no new calls any more
        return False
    return answer.status == health_pb2.HealthCheckResponse.SERVING


def stub(channel: grpc.Channel) -> ingestion_service_pb2_grpc.IngestionServiceStub:
    return ingestion_service_pb2_grpc.IngestionServiceStub(channel)
