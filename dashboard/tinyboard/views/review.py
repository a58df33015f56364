"""The rules of a review: which labels are offered, which sample comes next, how far it got."""

from collections import Counter
from collections.abc import Sequence

from tinyboard.views.records import EffectView, EventView, FeedbackView, SampleView

HOTKEY_COUNT = 9
AS_SET = "AS_SET"
ORDERS = {
    AS_SET: "As set for all",
    "VALUE": "Most to learn first",
    "OLDEST": "Oldest first",
    "NEWEST": "Newest first",
    "DISTANCE": "Farthest first",
}
"""Orders of the queue that a reviewer may ask for."""


def label_choices(samples: Sequence[SampleView], earlier: Sequence[str] = ()) -> tuple[str, ...]:
    """Labels worth offering: those offered `earlier`, then all the model voted for, then those people added.

    What was offered once keeps its place: a hotkey means the same label as long as the event is under review,
    whichever sample is shown and however many more arrive.
    """
    known = sorted(known_labels(samples) - {""} - set(earlier))
    judged = {sample.judged_label for sample in samples} - {""} - set(earlier) - set(known)
    return (*earlier, *known, *sorted(judged))


def spelled(label: str, choices: Sequence[str]) -> str:
    """A typed label as it was spelled before, if it was: "Bag " is no second class beside "bag"."""
    typed = " ".join(label.split())
    return next((choice for choice in choices if choice.casefold() == typed.casefold()), typed)


def known_labels(samples: Sequence[SampleView]) -> frozenset[str]:
    """Labels that the model itself knows, as far as these samples show."""
    voted = {neighbour.label for sample in samples for neighbour in sample.neighbours}
    return frozenset(voted | {sample.predicted_label for sample in samples})


def decision_for(label: str, sample: SampleView, known: frozenset[str]) -> str:
    """What choosing a label says of a sample: nothing changed, a known class, or a new one."""
    if label == sample.predicted_label:
        return "NOT_DRIFT"
    return "CONFIRMED_LABEL" if label in known else "NEW_LABEL"


def first_shown(samples: Sequence[SampleView]) -> str:
    """Id of the sample a review starts with: the first without a verdict, else the first; "" for none."""
    waiting = (sample.sample_id for sample in samples if not sample.judged)
    return next(waiting, samples[0].sample_id if samples else "")


def window(samples: Sequence[SampleView], sample_id: str, size: int) -> Sequence[SampleView]:
    """The stretch of at most `size` samples that holds the given one; stretches do not overlap."""
    ids = [sample.sample_id for sample in samples]
    first = ids.index(sample_id) // size * size if sample_id in ids else 0
    return samples[first : first + size]


def effects(feedback: Sequence[FeedbackView]) -> tuple[EffectView, ...]:
    """Every adaptation that the items were part of, once, newest first."""
    by_id = {item.effect.adaptation_id: item.effect for item in feedback if item.effect is not None}
    return tuple(sorted(by_id.values(), key=lambda effect: str(effect.commit_time or ""), reverse=True))


def queue(events: Sequence[EventView], severities: Sequence[str], device_id: str) -> Sequence[EventView]:
    """The events that the filters leave, in the order they came; an empty filter leaves all."""
    return [
        event
        for event in events
        if (not severities or event.severity in severities) and device_id in ("", event.device_id)
    ]


def outcome_counts(feedback: Sequence[FeedbackView]) -> tuple[tuple[str, int], ...]:
    """How many items met which outcome, most frequent first; "" are on their way."""
    return tuple(Counter(item.outcome for item in feedback).most_common())
