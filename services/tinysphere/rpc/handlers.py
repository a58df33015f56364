"""Turns a servicer into gRPC handlers that take raw bytes.

grpc answers bytes it cannot parse with INTERNAL, so handlers parse by themselves. They are made from the
contract's descriptors: a method added there needs nothing here. A servicer that takes a stream is given it as an
`Inbox`, which is an iterator of messages and can also be waited on with a time limit.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.message import DecodeError

from tinysphere.errors import InvalidRequestError, TinySphereError
from tinysphere.rpc.errors import to_status, unexpected_status, unimplemented_status
from tinysphere.rpc.gate import Gate
from tinysphere.rpc.inbox import Inbox

logger = logging.getLogger(__name__)

# Messages of a stream read ahead while one is worked on, and of all streams together: each may have a megabyte or two.
READ_AHEAD, READ_AHEAD_IN_ALL = 4, 400
VITAL_METHODS = frozenset({"Heartbeat"})  # a device that cannot send one counts as lost

Behaviour = Callable[[Any, grpc.ServicerContext], Any]
Reader = Callable[[bytes], Any]


@dataclass(frozen=True, slots=True)
class Registration:
    """A servicer and the contract's service it serves, e.g. "tinymlops.v1.DriftService".

    Attributes:
        readers: By method, what reads its requests faster than protobuf; what one returns None for, protobuf reads.
    """

    service_name: str
    servicer: object
    readers: Mapping[str, Reader] = field(default_factory=dict)


def service_handler(registration: Registration, gate: Gate) -> grpc.GenericRpcHandler:
    """Handlers of every method of a service.

    Raises:
        KeyError: the contract has no such service.
        AttributeError: the servicer lacks a method.
    """
    service = descriptor_pool.Default().FindServiceByName(registration.service_name)
    handlers = {
        method.name: _method_handler(
            method,
            getattr(registration.servicer, method.name),
            _parser(method.input_type, registration.readers.get(method.name)),
            gate,
        )
        for method in service.methods
    }
    return grpc.method_handlers_generic_handler(registration.service_name, handlers)


def _method_handler(
    method: MethodDescriptor, behaviour: Behaviour, parse: Reader, gate: Gate
) -> "grpc.RpcMethodHandler[Any, Any]":
    serialise = message_factory.GetMessageClass(method.output_type).SerializeToString
    if not method.client_streaming and not method.server_streaming:
        return grpc.unary_unary_rpc_method_handler(
            _unary(behaviour, parse, gate, is_vital=method.name in VITAL_METHODS),
            response_serializer=serialise,
        )
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


def _parser(message_type: Descriptor, reader: Reader | None) -> Reader:
    from_bytes = message_factory.GetMessageClass(message_type).FromString

    def parse(content: bytes) -> Any:
        if reader is not None and (read := reader(content)) is not None:
            return read
        try:
            return from_bytes(content)
        except DecodeError as error:
            raise InvalidRequestError(
                "MALFORMED_REQUEST", f"expected the bytes of a {message_type.full_name}"
            ) from error

    return parse


@contextmanager
def _inbox(requests: Iterator[bytes], parse: Reader, gate: Gate) -> Iterator[Inbox[Any]]:
    """The messages of a stream, for a handler that the gate can interrupt while it waits for one."""
    inbox = Inbox(map(parse, requests), capacity=gate.share(READ_AHEAD_IN_ALL, READ_AHEAD))
    try:
        with gate.interrupting(inbox.interrupt):
            yield inbox
    finally:
        inbox.close()


def _unary(behaviour: Behaviour, parse: Reader, gate: Gate, *, is_vital: bool) -> Behaviour:
    def handle(content: bytes, context: grpc.ServicerContext) -> Any:
        with translated(context), gate.call(is_vital=is_vital):
            return behaviour(parse(content), context)

    return handle


def _client_stream(behaviour: Behaviour, parse: Reader, gate: Gate) -> Behaviour:
    def handle(requests: Iterator[bytes], context: grpc.ServicerContext) -> Any:
        with translated(context), gate.stream(), _inbox(requests, parse, gate) as inbox:
            return behaviour(inbox, context)

    return handle


def _server_stream(behaviour: Behaviour, parse: Reader, gate: Gate) -> Behaviour:
    def handle(content: bytes, context: grpc.ServicerContext) -> Iterator[Any]:
        with translated(context), gate.stream():
            for response in gate.sent(behaviour(parse(content), context)):
                yield response
                gate.check_open()

    return handle


def _two_way_stream(behaviour: Behaviour, parse: Reader, gate: Gate) -> Behaviour:
    def handle(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[Any]:
        with translated(context), gate.stream(), _inbox(requests, parse, gate) as inbox:
            yield from gate.sent(behaviour(inbox, context))

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
