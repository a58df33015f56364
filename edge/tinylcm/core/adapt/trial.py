"""Whether a change of the classifier may stand: a pure judgement of what was measured before and after."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tinylcm.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Which samples a classifier got right without having seen them, in the same order before and after.

    Attributes:
        judged: One value per sample that a person judged.
        reference: One value per trusted reference sample.
    """

    judged: tuple[bool, ...]
    reference: tuple[bool, ...]

    @property
    def judged_accuracy(self) -> float:
        """Share of judged samples that are right; 0 when there is none."""
        return _share(self.judged)

    @property
    def reference_accuracy(self) -> float:
        """Share of reference samples that are right; 0 when there is none."""
        return _share(self.reference)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRule:
    """What an adaptation may cost.

    Attributes:
        reference_tolerance: Most accuracy on the reference that may be lost, 0 to 1.
        significance: Judged samples that became wrong count as harm when so many more of them than of those that
            became right would occur by chance with less than this probability (one-sided sign test).
    """

    reference_tolerance: float = 0.02
    significance: float = 0.05


def objection(before: Figures, after: Figures, rule: TrialRule) -> str:
    """Returns why the change must not stand, or nothing when it may.

    Raises:
        InputError: The two were not measured on the same samples.

    >>> good, bad = Figures(judged=(), reference=(True,) * 50), Figures(judged=(), reference=(False,) * 50)
    >>> objection(good, bad, TrialRule())
    'accuracy on the 50 reference samples would fall from 1.000 to 0.000, by more than 0.020'
    """
    if len(before.judged) != len(after.judged) or len(before.reference) != len(after.reference):
        raise InputError("figures before and after must be measured on the same samples")
    lost = before.reference_accuracy - after.reference_accuracy
    if lost > rule.reference_tolerance + 1e-9:
        return (
            f"accuracy on the {len(after.reference)} reference samples would fall from "
            f"{before.reference_accuracy:.3f} to {after.reference_accuracy:.3f}, by more than "
            f"{rule.reference_tolerance:.3f}"
        )
    worse, better = _changes(before.judged, after.judged)
    if _chance_of_as_many(worse, worse + better) < rule.significance:
        return (
            f"of {len(after.judged)} judged samples {worse} would become wrong and {better} right, "
            f"more harm than chance explains"
        )
    return ""


def _changes(before: Sequence[bool], after: Sequence[bool]) -> tuple[int, int]:
    worse = sum(was and not is_now for was, is_now in zip(before, after, strict=True))
    better = sum(is_now and not was for was, is_now in zip(before, after, strict=True))
    return worse, better


def _chance_of_as_many(count: int, trials: int) -> float:
    """Probability of at least ``count`` heads in ``trials`` throws of a fair coin."""
    ways: int = sum(math.comb(trials, heads) for heads in range(count, trials + 1))
    return ways / int(2**trials)


def _share(values: Sequence[bool]) -> float:
    return sum(values) / len(values) if values else 0.0
