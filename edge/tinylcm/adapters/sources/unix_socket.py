"""A Unix socket: the device listens, a sensor's process connects and sends."""

import select
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tinylcm.adapters.sources.sensor import CHUNK_BYTES, TICK_S, Chunks
from tinylcm.errors import InputError

_MAX_SENDERS = 8


class UnixSocket:
    """A stream socket that only its owner may connect to.

    One sender has the word; another gets it when it sends while the first is silent. Of many silent ones the oldest
    connections are closed.
    """

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
        listener.listen(_MAX_SENDERS)

    def _is_answered(self) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.setblocking(False)
            try:
                client.connect(str(self._path))
            except BlockingIOError:  # somebody listens, and has too much to do
                return True
            except OSError:
                return False
            return True

    def _chunks(self, listener: socket.socket, inode: int) -> Chunks:
        senders = _Senders(listener)
        try:
            while True:
                ready = senders.ready()
                if not ready:
                    self._look_for_file(inode)
                    yield b""
                elif (heard := senders.choose(ready)) is not None:
                    chunk = senders.receive(heard)
                    if chunk and senders.give_word(heard):
                        yield None
                    yield chunk
        finally:
            senders.close()

    def _look_for_file(self, inode: int) -> None:
        if not self._is_ours(inode):
            raise OSError("its file is gone")

    def _is_ours(self, inode: int) -> bool:
        try:
            return self._path.stat().st_ino == inode
        except OSError:
            return False


class _Senders:
    """Who is connected, by descriptor, the longest first; one of them has the word."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._senders: dict[int, socket.socket] = {}
        self._speaking: int | None = None
        self._poll = select.poll()
        self._poll.register(listener, select.POLLIN)

    def ready(self) -> set[int]:
        """Waits for `TICK_S` at most; lets a new sender in."""
        ready = {descriptor for descriptor, _ in self._poll.poll(TICK_S * 1000)}
        if self._listener.fileno() in ready:
            sender, _ = self._listener.accept()
            if len(self._senders) == _MAX_SENDERS:
                self._drop(next(each for each in self._senders if each != self._speaking))
            self._senders[sender.fileno()] = sender
            self._poll.register(sender, select.POLLIN)
        return ready

    def choose(self, ready: set[int]) -> int | None:
        """Returns whose bytes to take: who has the word goes on."""
        if self._speaking in ready:
            return self._speaking
        return next((descriptor for descriptor in self._senders if descriptor in ready), None)

    def give_word(self, sender: int) -> bool:
        """Returns whether the word passes to another: what was begun before is void."""
        is_other, self._speaking = sender != self._speaking, sender
        return is_other

    def receive(self, sender: int) -> bytes:
        """Returns bytes, b"" from one that left."""
        try:
            chunk = self._senders[sender].recv(CHUNK_BYTES)
        except ConnectionError:
            chunk = b""
        if not chunk:
            self._drop(sender)
        return chunk

    def close(self) -> None:
        """Closes all connections."""
        for sender in list(self._senders):
            self._drop(sender)

    def _drop(self, sender: int) -> None:
        self._poll.unregister(sender)
        self._senders.pop(sender).close()
        if sender == self._speaking:
            self._speaking = None
