"""Real receivers of notifications on loopback: an SMTP server, a webhook, and one that never answers."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.support.postgresql import free_port


class Mailbox:
    """What an SMTP server took."""

    def __init__(self) -> None:
        self.url = ""
        self.messages: list[Message] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        self.messages.append(message_from_bytes(envelope.content))
        return "250 taken"


@contextmanager
def smtp_server() -> Iterator[Mailbox]:
    """A real SMTP server on a free port."""
    mailbox = Mailbox()
    controller = Controller(
        mailbox,
        hostname="127.0.0.1",
        port=free_port(),
        authenticator=_knows,
        auth_require_tls=False,
    )
    controller.start()
    mailbox.url = (
        f"mailto://someone:geheim@127.0.0.1:{controller.port}"
        "?from=tinymlops@example.org&to=operator@example.org&mode=insecure"
    )
    try:
        yield mailbox
    finally:
        controller.stop()


def _knows(server: SMTP, session: Session, envelope: Envelope, mechanism: str, login: Any) -> AuthResult:
    return AuthResult(success=login == LoginPassword(b"someone", b"geheim"))


class Webhook:
    """What an HTTP server took; it refuses the next `refused_count` with 503."""

    def __init__(self) -> None:
        self.url = ""
        self.refused_count = 0
        self.bodies: list[dict[str, Any]] = []


@contextmanager
def webhook_server() -> Iterator[Webhook]:
    """A real HTTP server on a free port."""
    hook = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            refused = hook.refused_count > 0
            if refused:
                hook.refused_count -= 1
            else:
                hook.bodies.append(json.loads(body))
            self.send_response(503 if refused else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hook.url = f"json://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Trickle:
    """A side that takes connections and then sends a byte now and then, for ever: no time limit on a read ends it."""

    def __init__(self) -> None:
        self.connection_count = 0
        self._ended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self.url = f"json://127.0.0.1:{self._listener.getsockname()[1]}/"

    def serve(self) -> None:
        """Take connections until `end`."""
        self._begin(self._accept)

    def end(self) -> None:
        """Close everything."""
        self._ended.set()
        # Closing alone does not wake a thread that waits in accept().
        with socket.create_connection(self._listener.getsockname()):
            pass
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _begin(self, target: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            if self._ended.is_set():
                connection.close()
                return
            self.connection_count += 1
            self._begin(self._trickle, connection)

    def _trickle(self, connection: socket.socket) -> None:
        with connection:
            while not self._ended.wait(0.1):
                try:
                    connection.sendall(b"H")
                except OSError:
                    return


@contextmanager
def trickling_server() -> Iterator[Trickle]:
    """See `Trickle`."""
    trickle = Trickle()
    trickle.serve()
    try:
        yield trickle
    finally:
        trickle.end()
