"""Read a batch of feedback: what can be learnt from, what must be turned down and why, what was answered before."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from tinylcm.core.adapt.quarantine import Quarantine
from tinylcm.pipeline.judgements import JudgedSample
from tinylcm.pipeline.learned import LearnedState
from tinylcm.pipeline.packing import pack_acknowledgement, reading, unpack_acknowledgement
from tinylcm.ports import Json
from tinylcm.records import Acknowledgement, Decision, FeedbackItem, FeedbackOutcome

MOST_LABEL_CHARACTERS = 64
_LARGEST_VALUE = 1e9


@dataclass(slots=True, kw_only=True)
class Batch:
    """Items by what they ask for; an item is in exactly one of `usable` and `turned_down`."""

    usable: list[FeedbackItem] = field(default_factory=list)
    turned_down: dict[str, str] = field(default_factory=dict)
    added: dict[str, JudgedSample] = field(default_factory=dict)
    dropped: dict[str, None] = field(default_factory=dict)

    def refused(self, reason: str, wrong: Sequence[str]) -> Self:
        """What is left of a batch that must not be learned: people still take back what they take back.

        Args:
            reason: Why it must not be learned.
            wrong: Stored samples that it shows to have a wrong label; they are forgotten, as are `dropped` ones.
        """
        overruled = set(wrong)
        return type(self)(
            usable=[item for item in self.usable if item.sample_id in self.dropped],
            turned_down={
                item.feedback_id: f"{reason}; its earlier label is forgotten"
                if item.sample_id in overruled
                else reason
                for item in self.usable
                if item.sample_id not in self.dropped
            },
            dropped={**self.dropped, **dict.fromkeys(wrong)},
        )


def read_batch(
    items: Sequence[FeedbackItem],
    learned: LearnedState,
    quarantine: Quarantine,
    feature_space: str,
    newest: Mapping[str, int],
) -> Batch:
    """Sorts ``items`` by what they ask for; of two on one sample the later sequence counts.

    Args:
        items: Not answered yet.
        learned: What is.
        quarantine: Tells what was predicted of a sample.
        feature_space: Of the model that runs.
        newest: Sequences of the latest judgements taken before, by sample.
    """
    batch = Batch()
    for item in sorted(items, key=lambda item: item.sequence):
        reason = fault(item, learned, feature_space) or _overtaken(item, newest)
        if reason:
            batch.turned_down[item.feedback_id] = reason
            continue
        batch.usable.append(item)
        batch.added.pop(item.sample_id, None)
        batch.dropped.pop(item.sample_id, None)
        if item.decision is Decision.UNUSABLE:
            batch.dropped[item.sample_id] = None
        else:
            batch.added[item.sample_id] = JudgedSample(
                sample_id=item.sample_id,
                drift_event_id=item.drift_event_id,
                label=_label(item, learned, quarantine),
                embedding=np.asarray(item.embedding, dtype=np.float32),
            )
    return batch


def fault(item: FeedbackItem, learned: LearnedState, feature_space: str) -> str:
    """Returns why an item can never be used on this device, or nothing."""
    if item.feature_space != feature_space:
        return f"feature space: expected {feature_space[:12]}..., got {item.feature_space[:12]}..."
    expected = learned.projection.embedding_dimension_count
    if item.embedding.shape != (expected,):
        return f"embedding: expected {expected} values, got shape {item.embedding.shape}"
    if not np.isfinite(item.embedding).all():
        return "embedding: every value must be finite"
    if np.abs(item.embedding).max() > _LARGEST_VALUE:
        return f"embedding: expected values up to {_LARGEST_VALUE:g} in size, got a larger one"
    if not item.sample_id:
        return "sample_id: must not be empty"
    needs_label = item.decision in (Decision.CONFIRMED_LABEL, Decision.NEW_LABEL)
    if needs_label and not 1 <= len(item.label) <= MOST_LABEL_CHARACTERS:
        return f"label: expected 1 to {MOST_LABEL_CHARACTERS} characters, got {len(item.label)}"
    return ""


def _overtaken(item: FeedbackItem, newest: Mapping[str, int]) -> str:
    later = newest.get(item.sample_id, item.sequence)
    return f"judgement {later} of this sample is a later one, and was taken" if later > item.sequence else ""


def _label(item: FeedbackItem, learned: LearnedState, quarantine: Quarantine) -> str:
    """The label a person gave; NOT_DRIFT confirms the one that was predicted when the sample was seen."""
    if item.decision is not Decision.NOT_DRIFT:
        return item.label
    sample = quarantine.get(item.sample_id)
    if sample is not None:
        return sample.observation.prediction.label
    point = learned.projection.apply(np.asarray(item.embedding, dtype=np.float32))
    return learned.knn.predict(point, excluding=(item.sample_id,)).label


class AnsweredFeedback:
    """The final answers given lately, so that feedback which comes again is answered again, and has no effect.

    Attributes:
        newest: Sequence of the latest judgement taken of each sample, so that an earlier one which comes late, as
            after an update that can read it, does not undo it.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._answers: OrderedDict[str, Acknowledgement] = OrderedDict()
        self.newest: OrderedDict[str, int] = OrderedDict()

    def get(self, feedback_id: str) -> Acknowledgement | None:
        """Returns the answer given, or None."""
        return self._answers.get(feedback_id)

    def keep(self, answers: Sequence[Acknowledgement]) -> None:
        """Remembers the final ones of ``answers``; the oldest are forgotten."""
        for answer in answers:
            if answer.outcome is not FeedbackOutcome.DEFERRED:
                self._answers[answer.feedback_id] = answer
        while len(self._answers) > self._capacity:
            self._answers.popitem(last=False)

    def take(self, items: Iterable[FeedbackItem]) -> None:
        """Remembers which judgements of their samples were taken; the oldest are forgotten."""
        for item in items:
            self.newest[item.sample_id] = max(item.sequence, self.newest.pop(item.sample_id, 0))
        while len(self.newest) > self._capacity:
            self.newest.popitem(last=False)

    def state(self) -> Json:
        """Returns JSON values."""
        return {
            "answers": [pack_acknowledgement(answer) for answer in self._answers.values()],
            "newest": list(self.newest.items()),
        }

    @classmethod
    def from_state(cls, state: Json, capacity: int) -> Self:
        """Makes the memory whose `state` this is; raises StateError when it is damaged."""
        with reading("answered feedback"):
            answers = [unpack_acknowledgement(facts) for facts in state["answers"]]
            newest = [(str(sample_id), int(sequence)) for sample_id, sequence in state.get("newest", ())]
        answered = cls(capacity)
        answered.keep(answers)
        answered.newest.update(newest)
        return answered
