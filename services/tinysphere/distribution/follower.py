"""A thread that does what is due: when woken, at intervals, and again soon after a failure."""

import logging
import threading
from collections.abc import Callable

from tinysphere.errors import TinySphereError

POLL_INTERVAL_S = 5.0  # for what another process made due; our own calls wake us
FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 30.0
STOP_TIMEOUT_S = 3.0  # MLflow may take longer; whatever it is at may be cut short

logger = logging.getLogger(__name__)


class Follower:
    """Calls ``action``, which finds in the stores what is due and may be called at any time."""

    def __init__(self, name: str, action: Callable[[], object]) -> None:
        self._name = name
        self._action = action
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Do what is due, now and from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Return when a running call ended, or after `STOP_TIMEOUT_S`; what was not done stays due."""
        self._stopping.set()
        self._woken.set()
        if self._thread.ident is not None:
            self._thread.join(STOP_TIMEOUT_S)

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
                self._woken.wait(POLL_INTERVAL_S)

    def _log(self, error: Exception, retry_s: float) -> None:
        if isinstance(error, TinySphereError):
            logger.info("%s: not done yet, again in %.1f s: %s", self._name, retry_s, error)
        else:
            logger.exception("%s failed, again in %.1f s", self._name, retry_s)
