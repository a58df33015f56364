"""Connections to the three services, for one device or shared by many."""

from collections.abc import Mapping
from typing import Any, cast

import grpc

from tinysphere.simulator.wire.methods import Method, ReplyT, RequestT

_MAX_MESSAGE_BYTES = 8 << 20
_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.use_local_subchannel_pool", 1),  # otherwise channels to one address share one connection
    ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 500),
    ("grpc.min_reconnect_backoff_ms", 3_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.enable_retries", 0),
)


class Channels:
    """Opens a connection to a service when it is first called, and again after `cut`."""

    def __init__(self, targets: Mapping[str, str]) -> None:
        self._targets = targets
        self._open: dict[str, grpc.aio.Channel] = {}
        self._calls: dict[str, Any] = {}

    def unary(self, method: Method[RequestT, ReplyT]) -> "grpc.aio.UnaryUnaryMultiCallable[RequestT, ReplyT]":
        """One request, one reply."""
        return cast("grpc.aio.UnaryUnaryMultiCallable[RequestT, ReplyT]", self._call("unary_unary", method))

    def two_way(
        self, method: Method[RequestT, ReplyT]
    ) -> "grpc.aio.StreamStreamMultiCallable[RequestT, ReplyT]":
        """A stream each way."""
        return cast(
            "grpc.aio.StreamStreamMultiCallable[RequestT, ReplyT]", self._call("stream_stream", method)
        )

    def download(
        self, method: Method[RequestT, ReplyT]
    ) -> "grpc.aio.UnaryStreamMultiCallable[RequestT, ReplyT]":
        """One request, a stream back."""
        return cast("grpc.aio.UnaryStreamMultiCallable[RequestT, ReplyT]", self._call("unary_stream", method))

    async def cut(self) -> None:
        """Breaks every connection, and with it every call."""
        channels = list(self._open.values())
        self._open.clear()
        self._calls.clear()
        for channel in channels:
            await channel.close()

    def _call(self, kind: str, method: Method[RequestT, ReplyT]) -> Any:
        if method.path not in self._calls:
            if method.target not in self._open:
                self._open[method.target] = grpc.aio.insecure_channel(
                    self._targets[method.target], options=_OPTIONS
                )
            make = getattr(self._open[method.target], kind)
            self._calls[method.path] = make(
                method.path,
                request_serializer=method.request.SerializeToString,
                response_deserializer=method.reply.FromString,
            )
        return self._calls[method.path]
