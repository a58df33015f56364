"""How much of a stream may be on its way, unacknowledged."""

import threading

_RISKED_SHARE = 8
_PIECES = 2


class Window:
    """Holds a sender back that is too far ahead of the acknowledgements.

    gRPC and the kernel take megabytes from a sender whose peer does not hear it; all of it would be sent again after
    a cut, and until then it fills the memory of a small device. So a stream risks an eighth of what it carried so far:
    where cuts come after a megabyte, 128 KiB are on their way, and where none come, the window soon is wide open.

    Args:
        start: First byte of the stream.
        least_bytes: Window of a stream that carried nothing yet.
        most_bytes: Window of a stream that carried much.
    """

    def __init__(self, start: int, *, least_bytes: int, most_bytes: int) -> None:
        self._start = self._acknowledged = start
        self._least_bytes = least_bytes
        self._most_bytes = most_bytes
        self._changed = threading.Condition()
        self._is_closed = False

    @property
    def size_bytes(self) -> int:
        """Bytes that may be unacknowledged now."""
        carried = self._acknowledged - self._start
        return min(max(self._least_bytes, carried // _RISKED_SHARE), self._most_bytes)

    @property
    def piece_bytes(self) -> int:
        """Most bytes to send at once: the server reads on while it works on the piece before."""
        return self.size_bytes // _PIECES

    def acknowledge(self, offset: int) -> None:
        """The server has all bytes before ``offset``."""
        with self._changed:
            self._acknowledged = offset
            self._changed.notify_all()

    def wait_for_room(self, offset: int, size_bytes: int) -> bool:
        """Waits until ``size_bytes`` at ``offset`` may be sent; False when nothing more is wanted."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._is_closed or offset + size_bytes <= self._acknowledged + self.size_bytes
            )
            return not self._is_closed

    def pause(self, wait_s: float) -> bool:
        """Waits for so long; False when nothing more is wanted."""
        with self._changed:
            return not self._changed.wait_for(lambda: self._is_closed, wait_s)

    def close(self) -> None:
        """Nothing more is wanted."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
