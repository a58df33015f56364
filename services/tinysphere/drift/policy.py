"""How the verdicts on one sample become one judgement. Pure.

The newest verdict of each reviewer stands; one that is withdrawn leaves none. CANNOT_TELL stands and says nothing of
the sample. What the others say is the name of a class, or that the sample is unusable: reviewers agree when that is
the same, be the class known or new to the model.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tinysphere.domain.drift import Decision, Judgement, Sample, Verdict
from tinysphere.domain.review import ReviewSettings, VerdictPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What one reviewer's standing verdict says of a sample."""

    reviewer: str
    judgement: Judgement


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the opinions on a sample amount to.

    Attributes:
        judgement: None while the sample waits.
        disagrees: All who are asked have spoken, and nothing follows from it.
    """

    judgement: Judgement | None
    disagrees: bool = False


def standing(verdicts: Iterable[Verdict]) -> Mapping[str, Verdict]:
    """The verdict of each reviewer that counts, in the order they were given.

    Args:
        verdicts: Every verdict on one sample, in the order they were given.
    """
    newest: dict[str, Verdict] = {}
    for verdict in verdicts:
        newest.pop(verdict.reviewer, None)
        if verdict.decision is not Decision.WITHDRAWN:
            newest[verdict.reviewer] = verdict
    return newest


def opinions(sample: Sample, verdicts: Iterable[Verdict], names: Mapping[str, str]) -> Sequence[Opinion]:
    """What the standing verdicts on a sample say.

    Args:
        sample: The sample.
        verdicts: Every verdict on it, in the order they were given.
        names: Labels by the names that stand for them.
    """
    return [
        Opinion(reviewer=reviewer, judgement=judgement_of(sample, verdict, names))
        for reviewer, verdict in standing(verdicts).items()
        if verdict.decision.judges
    ]


def judgement_of(sample: Sample, verdict: Verdict, names: Mapping[str, str]) -> Judgement:
    """What one verdict makes of a sample.

    NOT_DRIFT says that the prediction was right, so its label is the predicted one and the device may learn
    the sample as confirmed. UNUSABLE has no label and tells the device to drop the sample.
    """
    label = sample.predicted_label if verdict.decision is Decision.NOT_DRIFT else verdict.label
    if verdict.decision is Decision.UNUSABLE:
        label = ""
    return Judgement(decision=verdict.decision, label=names.get(label, label))


def decide(settings: ReviewSettings, given: Sequence[Opinion]) -> Outcome:
    """What opinions amount to, each of another reviewer, in the order they were given."""
    if settings.policy is VerdictPolicy.ONE:
        return Outcome(judgement=given[0].judgement if given else None)
    alike: dict[str, list[Judgement]] = {}
    for opinion in given:
        alike.setdefault(opinion.judgement.label, []).append(opinion.judgement)
    largest = max(alike.values(), key=len, default=[])
    if len(largest) >= settings.required_count:
        return Outcome(judgement=largest[0])
    if len(given) < settings.reviewer_count:
        return Outcome(judgement=None)
    decisive = _adjudicated(settings, given)
    return Outcome(judgement=decisive, disagrees=decisive is None)


def _adjudicated(settings: ReviewSettings, given: Sequence[Opinion]) -> Judgement | None:
    """The newest opinion of an adjudicator, where the policy has one decide."""
    if settings.policy is not VerdictPolicy.ADJUDICATOR:
        return None
    deciding = (entry.judgement for entry in reversed(given) if entry.reviewer in settings.adjudicators)
    return next(deciding, None)
