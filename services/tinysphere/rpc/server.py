"""One gRPC server: services of the contract, health, reflection, and an orderly end."""

import logging
import threading
from collections.abc import Sequence
from random import Random

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from tinysphere.errors import UnavailableError
from tinysphere.rpc.comeback import ComebackTimes
from tinysphere.rpc.gate import Gate, GateLimits
from tinysphere.rpc.handlers import Registration, service_handler
from tinysphere.rpc.pool import CallPool
from tinysphere.settings import Settings

__all__ = ["Registration", "RpcServer"]

logger = logging.getLogger(__name__)

# Beyond what a handler accepts, so that our own limits answer with their reason.
MAX_REQUEST_BYTES = 8 * 1024 * 1024
# Devices ping every 6 s while they transfer; grpc's own minimum of 300 s would end that in "too many pings".
MIN_PING_INTERVAL_S = 5
KEEPALIVE_INTERVAL_S = 30
# A device's answer waits behind what it sends: twice 64 KiB before it knows its link, 16 s at 64 kbit/s.
KEEPALIVE_TIMEOUT_S = 20

# Calls that wait for a thread, for each thread that streams leave to them. Streams, then short calls are told when to
# come back. The last bound is grpc's own, of waiting and running calls together: it refuses without a reason,
# heartbeats included.
WAITING_BEFORE_STREAMS, WAITING_BEFORE_CALLS, CALLS_AT_ALL = 1, 4, 64
STREAM_TURN_S = 4.0  # those turned away are asked back so that each stream's place is tried this often

# A draining server waits so long for calls that nobody works at: their peers say, or take, nothing.
STALL_S = 0.5

LIVENESS = "liveness"  # a name in grpc.health.v1 that is served as long as the process can answer at all

_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.so_reuseport", 0),  # a second server on the port must fail, not take every other connection
    ("grpc.max_receive_message_length", MAX_REQUEST_BYTES),
    ("grpc.max_send_message_length", MAX_REQUEST_BYTES),
    ("grpc.keepalive_time_ms", KEEPALIVE_INTERVAL_S * 1000),
    ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_S * 1000),
    (
        "grpc.http2.ping_timeout_ms",
        KEEPALIVE_TIMEOUT_S * 1000,
    ),  # of every ping; grpc's own 60 s would hide the above
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", MIN_PING_INTERVAL_S * 1000),
    ("grpc.http2.max_pings_without_data", 0),
)


class RpcServer:
    """Serves registrations on one address ("host:port"; port 0 takes a free one)."""

    def __init__(self, address: str, registrations: Sequence[Registration], *, settings: Settings) -> None:
        self._address = address
        self._names = [registration.service_name for registration in registrations]
        self._pool = CallPool(settings.rpc_threads)
        self._gate = _gate(settings, self._pool)
        self._health = health.HealthServicer(experimental_non_blocking=True)
        self._server = grpc.server(
            self._pool, options=_OPTIONS, maximum_concurrent_rpcs=_threads_for_calls(settings) * CALLS_AT_ALL
        )
        self._ended = threading.Event()
        for registration in registrations:
            self._server.add_generic_rpc_handlers((service_handler(registration, self._gate),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection(
            [*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME], self._server
        )

    def start(self) -> int:
        """Listen and serve.

        Returns:
            The port.

        Raises:
            UnavailableError: ADDRESS_UNAVAILABLE, the address cannot be listened on.
        """
        try:
            port = self._server.add_insecure_port(self._address)
        except RuntimeError as error:
            raise UnavailableError(
                "ADDRESS_UNAVAILABLE", f"cannot listen on {self._address}: is another server running there?"
            ) from error
        self._server.start()
        self._health.set(LIVENESS, health_pb2.HealthCheckResponse.SERVING)
        self.set_ready(True)
        return int(port)

    def set_ready(self, is_ready: bool) -> None:
        """Say in `grpc.health.v1`, of the server as a whole and of each service, whether calls can be served."""
        status = health_pb2.HealthCheckResponse
        for name in ("", *self._names):
            self._health.set(name, status.SERVING if is_ready else status.NOT_SERVING)

    def stop(self, grace_s: float) -> None:
        """Refuse new calls, let running ones end within ``grace_s`` seconds, then end them. Repeatable.

        Calls that only wait for their peer are given a second of it at most.
        """
        self._gate.close()
        self._health.enter_graceful_shutdown()
        stopped = self._server.stop(grace_s)
        if not stopped.wait(STALL_S):
            self._gate.wait_for_work(grace_s)
            if not stopped.wait(STALL_S):  # for the answers of those that worked until now
                self._server.stop(None).wait()
        # Handlers of ended calls may still be writing; nothing may run on once the stores are closed.
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._ended.set()

    def wait(self) -> None:
        """Block until `stop` has ended the server."""
        self._ended.wait()


def _gate(settings: Settings, pool: CallPool) -> Gate:
    streams, for_calls = _threads_for_streams(settings), _threads_for_calls(settings)
    limits = GateLimits(
        streams=streams,
        waiting_streams=for_calls * WAITING_BEFORE_STREAMS,
        waiting_calls=for_calls * WAITING_BEFORE_CALLS,
    )
    comeback = ComebackTimes(returns_per_s=streams / STREAM_TURN_S, random=Random().random)
    return Gate(limits, comeback, lambda: pool.waiting_count)


def _threads_for_streams(settings: Settings) -> int:
    return max(1, int(settings.rpc_threads * settings.rpc_stream_share))


def _threads_for_calls(settings: Settings) -> int:
    return max(1, settings.rpc_threads - _threads_for_streams(settings))
