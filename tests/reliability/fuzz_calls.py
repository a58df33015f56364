"""One bounded call of any kind, and how it ended."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor

from tests.support.contract import path_of, start_call
from tests.support.refusals import read_refusal

CALL_TIMEOUT_S = 30.0
_WATCH_S = 1.0  # for more answers, after the first: a watch may last for good
_MOST_ANSWERS = 16  # read of one call; then it is broken off
_UNDELIVERED = ("message larger than max",)  # refused by gRPC before any code of ours

FAULTY = {"INTERNAL", "UNKNOWN", "UNIMPLEMENTED"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a call ended.

    Attributes:
        code: Name of its status; "OK", "CANCELLED" when we broke it off.
        answer: Bytes of the last answer; empty without one.
        fault: The broken promise; empty when there is none.
    """

    code: str
    answer: bytes = b""
    fault: str = ""


class _Stream:
    """Messages of a stream that ends after them, or stays open until it is let go."""

    def __init__(self, contents: Sequence[bytes], *, ends: bool) -> None:
        self._contents = contents
        self._ends = ends
        self.sent = threading.Event()
        self.released = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        yield from self._contents
        self.sent.set()
        if not self._ends:
            self.released.wait(CALL_TIMEOUT_S)


def call_whole(channel: grpc.Channel, method: MethodDescriptor, contents: Sequence[bytes]) -> Ended:
    """Sends everything, and reads the answers."""
    stream = _Stream(contents, ends=True)
    call = start_call(
        channel, method, iter(stream) if method.client_streaming else contents[0], CALL_TIMEOUT_S
    )
    answer = b""
    try:
        if not method.server_streaming:
            return Ended(code="OK", answer=call.result())
        for one in islice(call, _MOST_ANSWERS):
            if not answer and not method.client_streaming:
                watched = threading.Timer(_WATCH_S, call.cancel)
                watched.daemon = True
                watched.start()
            answer = one
        call.cancel()
        return Ended(code="OK", answer=answer)
    except grpc.RpcError as error:
        return _refused(method, error)


def call_broken_off(
    channel: grpc.Channel, method: MethodDescriptor, contents: Sequence[bytes], rng: random.Random
) -> Ended:
    """Sends everything, never ends the stream, and goes away: at once, or after it was sent, or with an answer read."""
    stream = _Stream(contents, ends=False)
    call = start_call(
        channel, method, iter(stream) if method.client_streaming else contents[0], CALL_TIMEOUT_S
    )
    try:
        if method.client_streaming and rng.random() < 0.8:
            stream.sent.wait(CALL_TIMEOUT_S)
        if method.server_streaming and not method.client_streaming and rng.random() < 0.5:
            next(call, None)
        call.cancel()
        if not call.done():
            return Ended(code="CANCELLED", fault=f"{path_of(method)}: not done after it was cancelled")
    except grpc.RpcError as error:
        return _refused(method, error)
    finally:
        stream.released.set()
    return Ended(code="CANCELLED")


def _refused(method: MethodDescriptor, error: Any) -> Ended:
    code, details = error.code().name, error.details() or ""
    where = f"{path_of(method)}: {code}: {details[:300]}"
    if code == "DEADLINE_EXCEEDED":
        return Ended(code=code, fault=f"{where}: hangs")
    if code in FAULTY:
        return Ended(code=code, fault=where)
    if code == "CANCELLED" or any(text in details for text in _UNDELIVERED):
        return Ended(code=code)
    try:
        named = bool(read_refusal(error).reason)
    except AssertionError:
        named = False
    return Ended(code=code, fault="" if named else f"{where}: without a reason")
