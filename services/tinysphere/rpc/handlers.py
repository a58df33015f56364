"""Turns a servicer into gRPC handlers that take raw bytes.

grpc answers bytes it cannot parse with INTERNAL, so handlers parse by themselves. They are made from the
contract's descriptors: a method added there needs nothing here.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.message import DecodeError, Message

from tinysphere.errors import ExhaustedError, InvalidRequestError, TinySphereError, UnavailableError
from tinysphere.rpc.errors import to_status, unexpected_status, unimplemented_status

logger = logging.getLogger(__name__)

STREAM_RETRY_AFTER_S = 5.0
DRAIN_RETRY_AFTER_S = 2.0

Behaviour = Callable[[Any, grpc.ServicerContext], Any]


@dataclass(frozen=True, slots=True)
class Registration:
    """A servicer and the contract's service it serves, e.g. "tinymlops.v1.DriftService"."""

    service_name: str
    servicer: object


class Gate:
    """Keeps streams to their share of the server's threads, and ends them when the server drains."""

    def __init__(self, *, stream_limit: int) -> None:
        self._slots = threading.BoundedSemaphore(stream_limit)
        self._closed = threading.Event()

    def close(self) -> None:
        """Let no stream begin, and have running ones end at their next message."""
        self._closed.set()

    def check_open(self) -> None:
        """Raise UnavailableError/DRAINING once closed."""
        if self._closed.is_set():
            raise UnavailableError(
                "DRAINING", "the server is shutting down; reconnect", retry_after_s=DRAIN_RETRY_AFTER_S
            )

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Hold one stream's thread."""
        self.check_open()
        if not self._slots.acquire(blocking=False):
            raise ExhaustedError(
                "TOO_MANY_STREAMS",
                "all threads for streams are taken; come back later",
                retry_after_s=STREAM_RETRY_AFTER_S,
            )
        try:
            yield
        finally:
            self._slots.release()


def service_handler(registration: Registration, gate: Gate) -> grpc.GenericRpcHandler:
    """Handlers of every method of a service.

    Raises:
        KeyError: the contract has no such service.
        AttributeError: the servicer lacks a method.
    """
    service = descriptor_pool.Default().FindServiceByName(registration.service_name)
    handlers = {
        method.name: _method_handler(method, getattr(registration.servicer, method.name), gate)
        for method in service.methods
    }
    return grpc.method_handlers_generic_handler(registration.service_name, handlers)


def _method_handler(
    method: MethodDescriptor, behaviour: Behaviour, gate: Gate
) -> "grpc.RpcMethodHandler[Any, Any]":
    parse = _parser(method.input_type)
    serialise = message_factory.GetMessageClass(method.output_type).SerializeToString
    if not method.client_streaming and not method.server_streaming:
        return grpc.unary_unary_rpc_method_handler(_unary(behaviour, parse), response_serializer=serialise)
    if not method.client_streaming:
        return grpc.unary_stream_rpc_method_handler(
            _server_stream(behaviour, parse, gate), response_serializer=serialise
        )
    if not method.server_streaming:
        return grpc.stream_unary_rpc_method_handler(
            _client_stream(behaviour, parse, gate), response_serializer=serialise
        )
    return grpc.stream_stream_rpc_method_handler(
        _two_way_stream(behaviour, parse, gate), response_serializer=serialise
    )


def _parser(message_type: Descriptor) -> Callable[[bytes], Message]:
    from_bytes = message_factory.GetMessageClass(message_type).FromString

    def parse(content: bytes) -> Message:
        try:
            return from_bytes(content)
        except DecodeError as error:
            raise InvalidRequestError(
                "MALFORMED_REQUEST", f"expected the bytes of a {message_type.full_name}"
            ) from error

    return parse


def _parsed(requests: Iterator[bytes], parse: Callable[[bytes], Message], gate: Gate) -> Iterator[Message]:
    for content in requests:
        gate.check_open()
        yield parse(content)


def _unary(behaviour: Behaviour, parse: Callable[[bytes], Message]) -> Behaviour:
    def handle(content: bytes, context: grpc.ServicerContext) -> Any:
        with translated(context):
            return behaviour(parse(content), context)

    return handle


def _client_stream(behaviour: Behaviour, parse: Callable[[bytes], Message], gate: Gate) -> Behaviour:
    def handle(requests: Iterator[bytes], context: grpc.ServicerContext) -> Any:
        with translated(context), gate.stream():
            return behaviour(_parsed(requests, parse, gate), context)

    return handle


def _server_stream(behaviour: Behaviour, parse: Callable[[bytes], Message], gate: Gate) -> Behaviour:
    def handle(content: bytes, context: grpc.ServicerContext) -> Iterator[Any]:
        with translated(context), gate.stream():
            for response in behaviour(parse(content), context):
                yield response
                gate.check_open()

    return handle


def _two_way_stream(behaviour: Behaviour, parse: Callable[[bytes], Message], gate: Gate) -> Behaviour:
    def handle(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[Any]:
        with translated(context), gate.stream():
            yield from behaviour(_parsed(requests, parse, gate), context)

    return handle


@contextmanager
def translated(context: grpc.ServicerContext) -> Iterator[None]:
    """End the call with the status of whatever goes wrong inside."""
    try:
        yield
    except TinySphereError as error:
        context.abort_with_status(to_status(error))
    except NotImplementedError:
        context.abort_with_status(unimplemented_status("this method"))
    except Exception:
        if not context.is_active():  # the caller is gone; reading or answering it failed
            raise
        logger.exception("unexpected error in a call")
        context.abort_with_status(unexpected_status())
