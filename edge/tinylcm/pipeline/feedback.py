"""Read a batch of feedback: what can be learnt from, what must be turned down and why, what was answered before."""

from collections import OrderedDict
from collections.abc import Sequence
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


def read_batch(
    items: Sequence[FeedbackItem], learned: LearnedState, quarantine: Quarantine, feature_space: str
) -> Batch:
    """Sorts ``items`` by what they ask for; of two on one sample the later sequence counts."""
    batch = Batch()
    for item in sorted(items, key=lambda item: item.sequence):
        reason = fault(item, learned, feature_space)
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
    """The final answers given lately, so that feedback which comes again is answered again, and has no effect."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._answers: OrderedDict[str, Acknowledgement] = OrderedDict()

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

    def state(self) -> Json:
        """Returns JSON values."""
        return {"answers": [pack_acknowledgement(answer) for answer in self._answers.values()]}

    @classmethod
    def from_state(cls, state: Json, capacity: int) -> Self:
        """Makes the memory whose `state` this is; raises StateError when it is damaged."""
        with reading("answered feedback"):
            answers = [unpack_acknowledgement(facts) for facts in state["answers"]]
        answered = cls(capacity)
        answered.keep(answers)
        return answered
