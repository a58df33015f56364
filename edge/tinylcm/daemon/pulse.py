"""Feeds systemd's watchdog, and only while frames could be predicted."""

from collections.abc import Callable

from tinylcm.adapters.systemd import Supervisor
from tinylcm.ports import Clock

_FEEDS_PER_PATIENCE = 4


class Pulse:
    """Says at most four times in the watchdog's patience that the device is alive, if it made a step since."""

    def __init__(self, supervisor: Supervisor, clock: Clock) -> None:
        self._supervisor = supervisor
        self._clock = clock
        self._period_s = (supervisor.watchdog_s or 60.0) / _FEEDS_PER_PATIENCE
        self._due_s = clock.monotonic_s()
        self._step_count = 0

    def feed(self, step_count: int, status: Callable[[], str]) -> None:
        """To be called about twice a second with the count of the inference thread's steps."""
        now_s = self._clock.monotonic_s()
        if now_s < self._due_s or step_count == self._step_count:
            return
        self._due_s = now_s + self._period_s
        self._step_count = step_count
        self._supervisor.alive(status())
