"""A Unix socket: the device listens, a sensor's process connects and sends."""

import logging
import select
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from tinylcm.adapters.sources.sensor import CHUNK_BYTES, TICK_S, Chunks
from tinylcm.errors import InputError

_LOGGER = logging.getLogger(__name__)
_ANSWER_S = 1.0
_MAX_WAITING_SENDERS = 8


class UnixSocket:
    """A stream socket that only its owner may connect to. One sender at a time: others
    wait, and the next takes the place of one that is silent."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def name(self) -> str:
        """What it is called in the log."""
        return f"socket {self._path}"

    def check(self) -> str:
        """Says whether somebody listens, else tries to."""
        if self._is_answered():
            return f"{self.name}: a running device listens"
        with self.open():
            return f"{self.name} can be listened on"

    @contextmanager
    def open(self) -> Iterator[Chunks]:
        """Listens; it raises OSError when the socket's file is gone.

        Raises:
            InputError: The path is taken, by a file or by another process that listens.
        """
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as listener:
            self._listen(listener)
            inode = self._path.stat().st_ino
            try:
                with closing(self._chunks(listener, inode)) as chunks:
                    yield chunks
            finally:
                if self._is_ours(inode):
                    self._path.unlink(missing_ok=True)

    def _listen(self, listener: socket.socket) -> None:
        if self._is_answered():
            raise InputError(f"another process listens on {self._path}")
        if self._path.is_socket():  # what a crash left
            self._path.unlink()
        elif self._path.exists():
            raise InputError(f"{self._path} is a file; a socket cannot take its place")
        listener.bind(str(self._path))
        self._path.chmod(0o600)  # before `listen` nobody can connect
        listener.listen(_MAX_WAITING_SENDERS)

    def _is_answered(self) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(_ANSWER_S)
            with suppress(OSError):
                client.connect(str(self._path))
                return True
        return False

    def _chunks(self, listener: socket.socket, inode: int) -> Chunks:
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        while True:
            if not poll.poll(TICK_S * 1000):
                self._look_for_file(inode)
                yield b""
                continue
            sender, _ = listener.accept()
            with sender:
                _LOGGER.info("%s: a sender is connected", self.name)
                yield None
                yield from self._received(sender, listener, inode)

    def _received(self, sender: socket.socket, listener: socket.socket, inode: int) -> Iterator[bytes]:
        """What one sender sends, until it leaves, or is silent while another one waits."""
        poll = select.poll()
        poll.register(sender, select.POLLIN)
        poll.register(listener, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll(TICK_S * 1000)}
            chunk = b""
            if sender.fileno() in ready:
                chunk = _receive(sender)
                if not chunk:
                    return
            elif ready:
                return
            else:
                self._look_for_file(inode)
            yield chunk

    def _look_for_file(self, inode: int) -> None:
        if not self._is_ours(inode):
            raise OSError("its file is gone")

    def _is_ours(self, inode: int) -> bool:
        try:
            return self._path.stat().st_ino == inode
        except OSError:
            return False


def _receive(sender: socket.socket) -> bytes:
    try:
        return sender.recv(CHUNK_BYTES)
    except ConnectionError:
        return b""
