"""A crossing that a change of the class mix may explain: it is judged once more on what comes after it."""

from enum import Enum

from tinylcm.core.drift.attribution import unexplained
from tinylcm.core.drift.mix import MixLaw
from tinylcm.core.drift.scores import FloatArray
from tinylcm.core.drift.window import DriftWindow
from tinylcm.ports import Json

SUSPICION_COUNTS = (32, 64, 128)
"""Observations after which a suspicion is judged; the last time is final."""


class Judgement(Enum):
    """What a suspicion has come to."""

    OPEN = "open"
    HARM = "harm"
    EXPLAINED = "explained"


class Suspicion:
    """A window that begins after the crossing, because the crossing itself fell where chance helped.

    It is harm as soon as the window's own class mix does not explain its mean residual; explained when the last,
    longest look finds nothing.

    Args:
        mix: How the reference's classes are predicted.
        limits: Bounds of `unexplained`, one for each of `SUSPICION_COUNTS`.
        dimension_count: Length of a residual.
    """

    __slots__ = ("_limits", "_mix", "_window")

    def __init__(self, mix: MixLaw, limits: tuple[float, ...], dimension_count: int) -> None:
        self._mix = mix
        self._limits = dict(zip(SUSPICION_COUNTS, limits, strict=True))
        self._window = DriftWindow(len(mix.classes), dimension_count, by_class=False)

    def judge(self, class_index: int, residual: FloatArray) -> Judgement:
        """Takes an observation of a stream that is still above its threshold."""
        window = self._window
        window.take(class_index, residual)
        limit = self._limits.get(window.count)
        if limit is None:
            return Judgement.OPEN
        if unexplained(window.mean, window.class_counts, self._mix) > limit:
            return Judgement.HARM
        return Judgement.EXPLAINED if window.count == SUSPICION_COUNTS[-1] else Judgement.OPEN

    def clear(self) -> None:
        """Drops the suspicion."""
        if self._window.count:
            self._window.clear()

    def state(self) -> Json:
        """Returns JSON values of a fixed size."""
        return self._window.state()

    def restore(self, state: Json) -> None:
        """Takes up stored values; StateError leaves the suspicion as it was."""
        self._window.restore(state)
