"""Something done again and again, in a thread of its own."""

import logging
import threading
from collections.abc import Callable

from tinysphere.errors import TinySphereError

FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 30.0

logger = logging.getLogger(__name__)


class Periodic:
    """Calls ``action`` at the start, every ``interval_s`` seconds, when woken, and again soon after a failure.

    Args:
        name: Of the thread, and in the log.
        action: Finds what is due, and does it; may be called at any time.
        interval_s: Seconds between calls that did not fail.
        stop_timeout_s: Longest wait for a running call when stopping; None waits for its end.
    """

    def __init__(
        self,
        name: str,
        action: Callable[[], object],
        *,
        interval_s: float,
        stop_timeout_s: float | None = None,
    ) -> None:
        self._name = name
        self._action = action
        self._interval_s = interval_s
        self._stop_timeout_s = stop_timeout_s
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=stop_timeout_s is not None)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Return when a running call ended, or its time to end is over; what was not done stays due."""
        self._stopping.set()
        self._woken.set()
        if self._thread.ident is not None:
            self._thread.join(self._stop_timeout_s)

    @property
    def stopping(self) -> bool:
        """Whether a long action should come to its end."""
        return self._stopping.is_set()

    def wake(self) -> None:
        """Have the thread look at once. Never blocks."""
        self._woken.set()

    def _run(self) -> None:
        retry_s = FIRST_RETRY_S
        while not self._stopping.is_set():
            self._woken.clear()
            try:
                self._action()
            except Exception as error:
                self._log(error, retry_s)
                self._stopping.wait(retry_s)
                retry_s = min(2 * retry_s, LONGEST_RETRY_S)
            else:
                retry_s = FIRST_RETRY_S
                if not self._stopping.is_set():
                    self._woken.wait(self._interval_s)

    def _log(self, error: Exception, retry_s: float) -> None:
        if isinstance(error, TinySphereError):
            logger.info("%s: not done yet, again in %.1f s: %s", self._name, retry_s, error)
        else:
            logger.exception("%s failed, again in %.1f s", self._name, retry_s)
