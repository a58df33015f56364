"""How long the stages of a frame take, at the cost of reading a clock."""

from tinylcm.ports import Clock

STAGES = ("extract", "classify", "monitor", "adapt")
"""In order: the extractor; projection and neighbours; drift monitors; quarantine and what is learned from it."""


class Laps:
    """The times of the last frame; made once and filled anew for every frame."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since_s = 0.0
        self._next = 0
        self.seconds = [0.0] * len(STAGES)

    def begin(self) -> None:
        """A frame comes in."""
        self._next = 0
        self._since_s = self._clock.monotonic_s()

    def lap(self) -> None:
        """The next of `STAGES` is over."""
        now_s = self._clock.monotonic_s()
        self.seconds[self._next] = now_s - self._since_s
        self._since_s = now_s
        self._next += 1
