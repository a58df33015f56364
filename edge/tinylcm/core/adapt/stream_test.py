"""Whether a change made without labels does the stream good: a pure judgement of frames it was not fitted on.

Clean labelled data do not show the harm of a wrong correction, and distances alone mislead: a right correction of a
noisy sensor leaves them long, a wrong one may make them short. Measured on streams whose class mix did and did not
move with the sensor, three things together tell them apart:

1. the predicted classes fit the mix that was assumed (Cohen's w, the chi-square per frame, is small);
2. there is a clear gain: the vote among the neighbours becomes surer, or the predicted classes come much nearer to the
   mix while the vote loses little - where there is little to win, there is more to lose;
3. the distances do not grow by much on average. How much depends: where many classes fit well and the vote is much
   surer, frames that come to lie far out are a blurred or glaring picture, not a wrong class. So a change may stand
   by any one of several rules.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tinylcm.errors import InputError

_SMALLEST_SHARE = 0.01
"""A class is expected at least so often, so that one wrong prediction of it does not count for everything."""
_CONFIDENCE_EASE, _DISTANCE_EASE, _CHANCE_EASE = 0.02, 0.3, 2.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StreamView:
    """What a classifier says of a stretch of the stream.

    Attributes:
        labels: Predicted classes, ``(n,)``.
        distances: Mean neighbour distances in standard deviations of the predicted class, ``(n,) float64``.
        confidences: Shares of the vote for the winner, ``(n,) float64``.
    """

    labels: tuple[str, ...]
    distances: NDArray[np.float64]
    confidences: NDArray[np.float64]

    @property
    def mean_distance(self) -> float:
        """Mean of the distances; 0 without a frame."""
        return float(self.distances.mean()) if len(self.distances) else 0.0

    @property
    def mean_confidence(self) -> float:
        """Mean of the confidences; 0 without a frame."""
        return float(self.confidences.mean()) if len(self.confidences) else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRule:
    """Bounds of the test, all of them on effect sizes: they mean the same for every length of the stream.

    Attributes:
        most_mix_distance: Largest Cohen's w between predicted and expected class shares.
        least_confidence_gain: Gain of mean confidence that is clear; may be below 0, where none is needed.
        least_mix_gain: What Cohen's w must fall by to be a clear gain as well.
        most_confidence_loss: What mean confidence may then lose.
        most_distance_rise: Standard deviations that the mean distance may grow by.
        chance_allowance: Standard deviations of chance that are taken off the square of Cohen's w.
    """

    most_mix_distance: float = 0.41
    least_confidence_gain: float = 0.02
    least_mix_gain: float = 0.2
    most_confidence_loss: float = 0.02
    most_distance_rise: float = 1.0
    chance_allowance: float = 0.0

    def eased(self) -> "StreamRule":
        """Returns what a change that passed must keep to: a bound that is just met is missed by chance next time."""
        return replace(
            self,
            least_confidence_gain=self.least_confidence_gain - _CONFIDENCE_EASE,
            most_confidence_loss=self.most_confidence_loss + _CONFIDENCE_EASE,
            most_distance_rise=self.most_distance_rise + _DISTANCE_EASE,
            chance_allowance=_CHANCE_EASE,
        )


def mix_distance(
    labels: tuple[str, ...], expected: Mapping[str, float], *, chance_allowance: float = 0.0
) -> float:
    """Cohen's w of predicted classes from expected shares: the root of chi-square per frame, less what chance adds.

    ``chance_allowance`` takes off so many standard deviations of chance more.

    >>> mix_distance(("bag", "bag", "coat", "coat"), {"bag": 0.5, "coat": 0.5})
    0.0
    """
    counts = Counter(labels)
    names = sorted({*expected, *counts})
    shares = np.array([max(expected.get(name, 0.0), _SMALLEST_SHARE) for name in names])
    shares /= shares.sum()
    count = max(len(labels), 1)
    seen = np.array([counts[name] for name in names]) / count
    freedom = len(names) - 1
    chance = (freedom + chance_allowance * math.sqrt(2 * freedom)) / count
    return math.sqrt(max(float(((seen - shares) ** 2 / shares).sum()) - chance, 0.0))


def first_passed(
    before: StreamView, after: StreamView, expected: Mapping[str, float], rules: Sequence[StreamRule]
) -> tuple[StreamRule, str]:
    """Returns the first of ``rules`` that the stream does not speak against, else the first and its objection.

    Arguments and errors as of `stream_objection`.
    """
    objections = [stream_objection(before, after, expected, rule) for rule in rules]
    passed = objections.index("") if "" in objections else 0
    return rules[passed], objections[passed]


def stream_objection(
    before: StreamView, after: StreamView, expected: Mapping[str, float], rule: StreamRule
) -> str:
    """Returns why the stream speaks against a change, or nothing when it does not.

    Args:
        before: Frames as classified without the change.
        after: The same frames with it.
        expected: Shares of predicted classes under the assumed mix.
        rule: The bounds.

    Raises:
        InputError: The views are not of the same frames, or empty.
    """
    if len(before.labels) != len(after.labels) or not before.labels:
        raise InputError("expected two views of the same frames, at least one")
    distance = mix_distance(after.labels, expected, chance_allowance=rule.chance_allowance)
    if distance > rule.most_mix_distance:
        return (
            f"the predicted classes would not fit the expected mix: Cohen's w {distance:.2f}, "
            f"allowed {rule.most_mix_distance:.2f}"
        )
    gain = after.mean_confidence - before.mean_confidence
    approach = mix_distance(before.labels, expected) - distance
    if gain < rule.least_confidence_gain and not (
        approach >= rule.least_mix_gain and gain >= -rule.most_confidence_loss
    ):
        return f"no clear gain: mean confidence would change by {gain:+.3f}, Cohen's w of the mix by {-approach:+.2f}"
    rise = after.mean_distance - before.mean_distance
    if rise > rule.most_distance_rise:
        return f"mean distance would grow by {rise:.2f} standard deviations, allowed {rule.most_distance_rise:.2f}"
    return ""
