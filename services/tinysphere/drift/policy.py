"""How the verdicts on one sample become one judgement. Pure."""

from collections.abc import Sequence
from typing import Protocol

from tinysphere.domain.drift import Decision, Judgement, Sample, Verdict


class VerdictPolicy(Protocol):
    """Decides whether the verdicts given so far suffice."""

    def __call__(self, sample: Sample, verdicts: Sequence[Verdict]) -> Judgement | None:
        """Returns the judgement, or None while the sample waits for more verdicts.

        Args:
            sample: The sample judged.
            verdicts: Every verdict on it, in the order they were given.
        """


def one_reviewer(sample: Sample, verdicts: Sequence[Verdict]) -> Judgement | None:
    """The first verdict decides."""
    return opinion(sample, verdicts[0]) if verdicts else None


def opinion(sample: Sample, verdict: Verdict) -> Judgement:
    """What one verdict says of a sample.

    NOT_DRIFT says that the prediction was right, so its label is the predicted one and the device may learn
    the sample as confirmed. UNUSABLE has no label and tells the device to drop the sample.
    """
    if verdict.decision is Decision.NOT_DRIFT:
        return Judgement(decision=verdict.decision, label=sample.predicted_label)
    return Judgement(decision=verdict.decision, label=verdict.label if verdict.decision.names_label else "")
