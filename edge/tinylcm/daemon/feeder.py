"""The thread that reads the source at its pace, so that a slow or broken source never holds up the pipeline."""

import logging
from collections.abc import Callable

from tinylcm.daemon.inbox import Inbox
from tinylcm.errors import TinyLcmError
from tinylcm.ports import Clock, FrameSource

_LOGGER = logging.getLogger(__name__)


class Feeder:
    """Puts frames into the inbox.

    Args:
        frames_per_second: Most frames in a second; None for as fast as they are taken.
        wait: Waits so many seconds and returns True when the device is stopping.
    """

    def __init__(
        self,
        source: FrameSource,
        inbox: Inbox,
        *,
        frames_per_second: float | None,
        clock: Clock,
        wait: Callable[[float], bool],
    ) -> None:
        self._source = source
        self._inbox = inbox
        self._period_s = 1 / frames_per_second if frames_per_second else 0.0
        self._clock = clock
        self._wait = wait
        self.is_finished = False

    def run(self, first_index: int) -> None:
        """Reads from ``first_index`` on until the source ends or the device stops."""
        due_s = self._clock.monotonic_s()
        try:
            for frame in self._source.frames(first_index):
                if self._is_stopping(due_s) or not self._inbox.put_frame(frame):
                    return
                due_s = max(due_s + self._period_s, self._clock.monotonic_s() - self._period_s)
        except (TinyLcmError, OSError) as error:
            _LOGGER.error("the source ended: %s", error)
        self.is_finished = True

    def _is_stopping(self, due_s: float) -> bool:
        left_s = due_s - self._clock.monotonic_s()
        return left_s > 0 and self._wait(left_s)
