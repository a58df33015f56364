"""How much of a stream may be on its way, unacknowledged."""

import threading
import time
from collections.abc import Callable

_RISKED_SHARE = 8
_PIECES = 4
_AHEAD_S = 4.0
_FIRST_BYTES = 64 << 10  # the server makes so much durable at once, and says so
_FLOOR_BYTES = 32 << 10
_MEASURE_S, _SHORTEST_MEASURE_S = 2.0, 1e-3


class Window:
    """Holds a sender back that is too far ahead of the acknowledgements.

    gRPC and the kernel take megabytes from a sender whose peer does not hear it; all of it would be sent again after
    a cut, and until then it fills the memory of a small device. So a stream risks an eighth of what it carried so far:
    where cuts come after a megabyte, 128 KiB are on their way, and where none come, the window soon is wide open.

    Nor does it take more than the link carries in four seconds: the connection's pings wait behind what was sent, and
    a link whose pings are late is taken for dead.

    Args:
        start: First byte of the stream.
        least_bytes: Share that a stream may risk which carried nothing yet.
        most_bytes: Window of a stream that carried much.
        bytes_per_s: What the link carried last, if that is known.
    """

    def __init__(
        self,
        start: int,
        *,
        least_bytes: int,
        most_bytes: int,
        bytes_per_s: float | None = None,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.bytes_per_s = bytes_per_s
        self._start = self._acknowledged = start
        self._least_bytes = least_bytes
        self._most_bytes = most_bytes
        self._monotonic_s = monotonic_s
        self._measured_s: float | None = None
        self._measured_bytes = 0
        self._changed = threading.Condition()
        self._is_closed = False

    @property
    def size_bytes(self) -> int:
        """Bytes that may be unacknowledged now."""
        carried = self._acknowledged - self._start
        risked = max(self._least_bytes, carried // _RISKED_SHARE)
        return min(max(self._ahead_bytes, _FLOOR_BYTES), risked, self._most_bytes)

    @property
    def _ahead_bytes(self) -> int:
        """What the link carries in a few seconds."""
        return _FIRST_BYTES if self.bytes_per_s is None else int(self.bytes_per_s * _AHEAD_S)

    @property
    def piece_bytes(self) -> int:
        """Most bytes to send at once: the server reads on while it works on the piece before."""
        return self.size_bytes // _PIECES

    def acknowledge(self, offset: int) -> None:
        """The server has all bytes before ``offset``."""
        with self._changed:
            self._measure(offset - self._acknowledged)
            self._acknowledged = offset
            self._changed.notify_all()

    def _measure(self, size_bytes: int) -> None:
        """Takes the mean of some seconds, since acknowledgements that were held up come in bursts."""
        if self._measured_s is None:
            return
        self._measured_bytes += size_bytes
        passed_s, known = self._monotonic_s() - self._measured_s, self.bytes_per_s
        if known is not None and passed_s < _MEASURE_S:
            return
        carried_per_s = self._measured_bytes / max(passed_s, _SHORTEST_MEASURE_S)
        self.bytes_per_s = carried_per_s if known is None else (known + carried_per_s) / 2
        self._measured_s, self._measured_bytes = self._monotonic_s(), 0

    def wait_for_room(self, offset: int, size_bytes: int) -> bool:
        """Waits until ``size_bytes`` at ``offset`` may be sent; False when nothing more is wanted."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._is_closed or offset + size_bytes <= self._acknowledged + self.size_bytes
            )
            if self._measured_s is None:
                self._measured_s = self._monotonic_s()  # the first piece leaves
            return not self._is_closed

    def pause(self, wait_s: float) -> bool:
        """Waits for so long; False when nothing more is wanted."""
        if wait_s <= 0:
            return not self._is_closed
        with self._changed:
            return not self._changed.wait_for(lambda: self._is_closed, wait_s)

    def close(self) -> None:
        """Nothing more is wanted."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
