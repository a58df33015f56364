"""Something done again and again, in a thread of its own."""

import logging
import threading
from collections.abc import Callable

from tinysphere.errors import TinySphereError

logger = logging.getLogger(__name__)


class Periodic:
    """Calls ``action`` at the start and every ``interval_s`` seconds; a failure waits for the next turn."""

    def __init__(self, name: str, action: Callable[[], object], *, interval_s: float) -> None:
        self._name = name
        self._action = action
        self._interval_s = interval_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Return when a running call ended."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._action()
            except TinySphereError as error:
                logger.warning("%s failed, again in %g s: %s", self._name, self._interval_s, error)
            except Exception:
                logger.exception("%s failed, again in %g s", self._name, self._interval_s)
            self._stopping.wait(self._interval_s)
