"""Too many at once: streams keep to their share of the threads, and heartbeats are never turned away."""

import threading
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from tests.support.refusals import read_refusal, refused
from tests.support.waiting import eventually
from tests.tinysphere.rpc.served import (
    BOUND_S,
    OPEN,
    UPLOAD,
    Sender,
    Servicer,
    serving,
    stub,
)
from tinymlops.v1 import (
    device_service_pb2,
    device_service_pb2_grpc,
)
from tinymlops.v1 import ingestion_service_pb2 as messages
from tinysphere.errors import UnavailableError
from tinysphere.rpc.comeback import ComebackTimes
from tinysphere.rpc.gate import Gate, GateLimits
from tinysphere.rpc.server import (
    WAITING_BEFORE_CALLS,
)


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
