"""Answers that a test wants instead of the usual ones, on real gRPC."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What a call is answered with instead."""

    code: grpc.StatusCode
    reason: str = ""
    retry_after_s: float | None = None
    metadata: dict[str, str] = field(default_factory=dict)

    def send(self, context: grpc.ServicerContext) -> None:
        """Ends the call; raises."""
        details = []
        if self.reason:
            info = error_details_pb2.ErrorInfo(
                reason=self.reason, domain="tinymlops.v1", metadata=self.metadata
            )
            details.append(_packed(info))
        if self.retry_after_s is not None:
            retry = error_details_pb2.RetryInfo()
            retry.retry_delay.FromNanoseconds(int(self.retry_after_s * 1e9))
            details.append(_packed(retry))
        if not details:
            context.abort(self.code, "as the test wants")
        status = status_pb2.Status(code=self.code.value[0], message="as the test wants", details=details)
        context.abort_with_status(rpc_status.to_status(status))


def _packed(message: Any) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed


UNAVAILABLE = Refusal(code=grpc.StatusCode.UNAVAILABLE)


class Refusing(grpc.ServerInterceptor):  # type: ignore[misc]  # grpc has no types for interceptors
    """Counts and refuses calls before they reach the servicer."""

    def __init__(self, next_refusal: Callable[[str], Refusal | None]) -> None:
        self._next_refusal = next_refusal

    def intercept_service(self, continuation: Any, details: Any) -> Any:
        handler = continuation(details)
        method = details.method.rpartition("/")[2]
        refusal = self._next_refusal(method)

        def refuse(_: object, context: grpc.ServicerContext) -> Iterator[Any]:
            assert refusal is not None
            refusal.send(context)
            yield

        if refusal is None:
            return handler
        streams = {"request_deserializer": handler.request_deserializer}
        if handler.request_streaming and handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(refuse, **streams)
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(refuse, **streams)
        return grpc.unary_unary_rpc_method_handler(
            lambda request, context: next(refuse(request, context)), **streams
        )
