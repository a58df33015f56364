"""The end of a server: what waits for its peer is not waited for, what works is."""

import itertools
import threading
from pathlib import Path

import grpc
import pytest

from tests.support.refusals import refused
from tests.support.waiting import eventually
from tests.tinysphere.rpc.served import (
    BOUND_S,
    NAME,
    Sender,
    Servicer,
    Silent,
    serving,
    stub,
)
from tinymlops.v1 import ingestion_service_pb2 as messages
from tinymlops.v1 import (
    package_pb2,
)
from tinysphere.errors import UnavailableError
from tinysphere.rpc.comeback import ComebackTimes
from tinysphere.rpc.gate import Gate, GateLimits
from tinysphere.rpc.server import (
    STALL_S,
)


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
