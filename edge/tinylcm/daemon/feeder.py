"""The thread that reads the source at its pace, so that a slow or broken source never holds up the pipeline."""

import logging
from collections.abc import Callable

from tinylcm.adapters.sources.tally import SourceTally
from tinylcm.daemon.inbox import Inbox
from tinylcm.errors import TinyLcmError
from tinylcm.ports import Clock, FrameSource

_LOGGER = logging.getLogger(__name__)


class Feeder:
    """Puts frames into the inbox; where it is full, a recording waits and a live source loses its oldest frame.

    Args:
        wait: Waits so many seconds and returns True when the device is stopping.
    """

    def __init__(
        self,
        source: FrameSource,
        inbox: Inbox,
        *,
        tally: SourceTally,
        clock: Clock,
        wait: Callable[[float], bool],
    ) -> None:
        self._source = source
        self._inbox = inbox
        self._period_s = 1 / source.frames_per_second if source.frames_per_second else 0.0
        self._tally = tally
        self._clock = clock
        self._wait = wait
        self.is_finished = False

    def run(self, first_index: int) -> None:
        """Reads from ``first_index`` on until the source ends or the device stops."""
        try:
            if self._source.is_live:
                self._put_newest(first_index)
            else:
                self._put_all(first_index)
        except (TinyLcmError, OSError) as error:
            _LOGGER.error("the source ended: %s", error)
        self.is_finished = True

    def _put_newest(self, first_index: int) -> None:
        for frame in self._source.frames(first_index):
            self._tally.dropped_frames += self._inbox.put_newest_frame(frame)

    def _put_all(self, first_index: int) -> None:
        due_s = self._clock.monotonic_s()
        for frame in self._source.frames(first_index):
            if self._is_stopping(due_s) or not self._inbox.put_frame(frame):
                return
            due_s = max(due_s + self._period_s, self._clock.monotonic_s() - self._period_s)

    def _is_stopping(self, due_s: float) -> bool:
        left_s = due_s - self._clock.monotonic_s()
        return left_s > 0 and self._wait(left_s)
