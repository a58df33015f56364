"""Names the moments at which a process makes something durable or tells of it, and kills it at one of them.

Moments are found in the running code: before and after each fsync, rename, link, unlink, truncation and commit, named
by the functions of the product that asked for it, and before and after each answer: sent, by a server; received, by a
device.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import grpc

_DEPTH = 4
_SYSTEM_CALLS = ("fsync", "fdatasync", "replace", "rename", "link", "symlink", "unlink", "ftruncate")


class Moments:
    """Watches this process for the rest of its life.

    Args:
        package: Whose moments count, e.g. "tinysphere".
        cut_at: The moment of which the first occurrence kills the process; empty for none.
        log: Each moment's name is appended at its first occurrence.
    """

    def __init__(self, package: str, *, cut_at: str, log: Path) -> None:
        self._package = f"{package}."
        self._cut_at = cut_at
        self._log = log
        self._seen: set[str] = set()
        self._lock = threading.Lock()

    def watch(self) -> None:
        """Puts itself between the product and the operating system, SQLite, SQLAlchemy and gRPC."""
        for name in _SYSTEM_CALLS:
            setattr(os, name, self._around(getattr(os, name), name))
        self._watch_sqlite()
        self._watch_sqlalchemy()
        self._watch_grpc()

    def hit(self, name: str) -> None:
        """Something is about to happen, or did."""
        with self._lock:
            if name not in self._seen:
                self._seen.add(name)
                with self._log.open("a", encoding="utf-8") as log:
                    log.write(f"{name}\n")
        if name == self._cut_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def _asked(self, moment: str) -> None:
        asker = _asker(self._package)
        if asker:
            self.hit(f"{moment} in {asker}")

    def _around(self, call: Callable[..., Any], name: str) -> Callable[..., Any]:
        def watched(*args: Any, **options: Any) -> Any:
            self._asked(f"before {name}")
            result = call(*args, **options)
            self._asked(f"after {name}")
            return result

        return watched

    def _watch_sqlite(self) -> None:
        moments, connect = self, sqlite3.connect

        class Connection(sqlite3.Connection):
            def __exit__(self, *error: Any) -> Any:
                moments._asked("before commit")
                left = super().__exit__(*error)
                moments._asked("after commit")
                return left

        def watched_connect(*args: Any, **options: Any) -> sqlite3.Connection:
            return connect(*args, **{"factory": Connection} | options)

        sqlite3.connect = watched_connect  # type: ignore[assignment]  # the same call, watched

    def _watch_sqlalchemy(self) -> None:
        if "sqlalchemy" in sys.modules:
            from sqlalchemy.engine.default import DefaultDialect

            DefaultDialect.do_commit = self._around(DefaultDialect.do_commit, "commit")  # type: ignore[method-assign]

    def _watch_grpc(self) -> None:
        make_server, make_channel = grpc.server, grpc.insecure_channel

        def watched_server(*args: Any, **options: Any) -> grpc.Server:
            interceptors = (*(options.pop("interceptors", None) or ()), _Answers(self))
            return make_server(*args, interceptors=interceptors, **options)

        def watched_channel(*args: Any, **options: Any) -> grpc.Channel:
            return grpc.intercept_channel(make_channel(*args, **options), _Receipts(self))

        grpc.server, grpc.insecure_channel = watched_server, watched_channel


class _Answers(grpc.ServerInterceptor):  # type: ignore[misc]  # untyped there
    """Answers a server sends."""

    def __init__(self, moments: Moments) -> None:
        self._moments = moments

    def intercept_service(self, continuation: Any, details: Any) -> Any:
        handler = continuation(details)
        method = details.method.rpartition("/")[2]
        if handler is None or not details.method.startswith("/tinymlops."):
            return handler
        if handler.request_streaming and handler.response_streaming:
            return handler._replace(stream_stream=self._each(handler.stream_stream, method))
        if not handler.request_streaming and not handler.response_streaming:
            return handler._replace(unary_unary=self._one(handler.unary_unary, method))
        return handler

    def _one(self, call: Any, method: str) -> Any:
        def watched(request: Any, context: Any) -> Any:
            answer = call(request, context)
            self._moments.hit(f"before the answer to {method}")
            context.add_callback(lambda: self._moments.hit(f"after the answer to {method}"))
            return answer

        return watched

    def _each(self, call: Any, method: str) -> Any:
        def watched(requests: Any, context: Any) -> Iterator[Any]:
            for answer in call(requests, context):
                self._moments.hit(f"before {_part(answer)} of {method}")
                yield answer
                self._moments.hit(f"after {_part(answer)} of {method}")

        return watched


class _Receipts(grpc.UnaryUnaryClientInterceptor, grpc.StreamStreamClientInterceptor):  # type: ignore[misc]
    """Answers a device receives."""

    def __init__(self, moments: Moments) -> None:
        self._moments = moments

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        method = details.method.rpartition("/")[2]
        self._moments.hit(f"before the request {method}")
        call = continuation(details, request)
        if call.code() is grpc.StatusCode.OK:
            self._moments.hit(f"after the answer to {method}")
        return call

    def intercept_stream_stream(self, continuation: Any, details: Any, requests: Any) -> Any:
        method = details.method.rpartition("/")[2]
        self._moments.hit(f"before the stream {method}")
        return _WatchedCall(continuation(details, requests), method, self._moments)


class _WatchedCall:
    """A call, each of whose answers is a moment."""

    def __init__(self, call: Any, method: str, moments: Moments) -> None:
        self._call, self._method, self._moments = call, method, moments

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)

    def __iter__(self) -> _WatchedCall:
        return self

    def __next__(self) -> Any:
        answer = next(self._call)
        self._moments.hit(f"after {_part(answer)} of {self._method}")
        return answer


def _part(answer: Any) -> str:
    return str(answer.WhichOneof("part")) if hasattr(answer, "WhichOneof") else "an answer"


def _asker(package: str) -> str:
    """The functions of the product that asked, outermost first; empty when it did not."""
    names: list[str] = []
    frame: FrameType | None = sys._getframe(3)
    while frame is not None and len(names) < _DEPTH:
        if frame.f_globals.get("__name__", "").startswith(package):
            names.append(frame.f_code.co_qualname)
        frame = frame.f_back
    return " > ".join(reversed(names))
