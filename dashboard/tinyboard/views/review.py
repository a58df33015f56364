"""The rules of a review: which labels are offered, which sample comes next, how far it got."""

from collections.abc import Sequence
from dataclasses import dataclass

from tinyboard.views.records import EffectView, FeedbackView, SampleView

HOTKEY_COUNT = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the review of one event came."""

    judged_count: int
    sample_count: int

    @property
    def share(self) -> float:
        """0 to 1; an event without samples is done."""
        return self.judged_count / self.sample_count if self.sample_count else 1.0


def progress(samples: Sequence[SampleView]) -> Progress:
    """Counts the judged samples."""
    return Progress(judged_count=sum(sample.judged for sample in samples), sample_count=len(samples))


def label_choices(samples: Sequence[SampleView]) -> tuple[str, ...]:
    """Labels worth offering, in a fixed order: all the model voted for, then those that people added.

    The order must not depend on the sample shown: a hotkey means the same label for the whole event.
    """
    voted = {neighbour.label for sample in samples for neighbour in sample.neighbours}
    predicted = {sample.predicted_label for sample in samples}
    judged = {sample.judged_label for sample in samples if sample.judged_label}
    known = sorted((voted | predicted) - {""})
    return (*known, *sorted(judged - set(known)))


def known_labels(samples: Sequence[SampleView]) -> frozenset[str]:
    """Labels that the model itself knows, as far as these samples show."""
    return frozenset(
        {neighbour.label for sample in samples for neighbour in sample.neighbours}
        | {sample.predicted_label for sample in samples}
    )


def decision_for(label: str, sample: SampleView, known: frozenset[str]) -> str:
    """What choosing a label says of a sample: nothing changed, a known class, or a new one."""
    if label == sample.predicted_label:
        return "NOT_DRIFT"
    return "CONFIRMED_LABEL" if label in known else "NEW_LABEL"


def next_open(samples: Sequence[SampleView], after_id: str) -> str:
    """Id of the next sample without a verdict, round the corner; the same id when every one is judged."""
    return _step(samples, after_id, +1, open_only=True)


def neighbour_of(samples: Sequence[SampleView], sample_id: str, step: int) -> str:
    """Id of the sample `step` places further, round the corner."""
    return _step(samples, sample_id, step, open_only=False)


def _step(samples: Sequence[SampleView], sample_id: str, step: int, *, open_only: bool) -> str:
    ids = [sample.sample_id for sample in samples]
    start = ids.index(sample_id) if sample_id in ids else -1 if step > 0 else 0
    for distance in range(1, len(ids) + 1):
        candidate = samples[(start + step * distance) % len(ids)]
        if not (open_only and candidate.judged):
            return candidate.sample_id
    return sample_id


def effects(feedback: Sequence[FeedbackView]) -> tuple[EffectView, ...]:
    """Every adaptation that the items were part of, once, newest first."""
    by_id = {item.effect.adaptation_id: item.effect for item in feedback if item.effect is not None}
    return tuple(sorted(by_id.values(), key=lambda effect: str(effect.commit_time or ""), reverse=True))
