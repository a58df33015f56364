"""What a simulated device makes of the judgements it is sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from tinymlops.v1 import feedback_pb2
from tinysphere.simulator.script.chance import make_id
from tinysphere.simulator.script.classes import KNOWN, Vector, centres, classify
from tinysphere.simulator.script.packing import to_timestamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """One judged sample that the device learned from, ``at_s`` simulated seconds after the fleet's start."""

    at_s: float
    feedback_id: str
    sequence: int
    label: str
    point: Vector


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a device says of some items, and what it learned from them."""

    acknowledgements: Sequence[feedback_pb2.FeedbackAcknowledgement]
    lessons: Sequence[Lesson]


def study(
    items: Sequence[feedback_pb2.FeedbackItem], earlier: Sequence[Lesson], *, at_s: float, moment: datetime
) -> Answer:
    """Learns items and measures what they bring; one that was learned earlier counts once."""
    known_ids = {lesson.feedback_id for lesson in earlier}
    usable = [item for item in items if item.label]
    lessons = [
        Lesson(
            at_s=at_s,
            feedback_id=item.feedback_id,
            sequence=item.sequence,
            label=item.label,
            point=np.frombuffer(item.embedding.values, "<f4").astype(np.float32),
        )
        for item in usable
        if item.feedback_id not in known_ids
    ]
    effect = _effect(usable, earlier, [*earlier, *lessons], moment)
    acknowledgements = [
        feedback_pb2.FeedbackAcknowledgement(
            feedback_id=item.feedback_id, outcome=feedback_pb2.FEEDBACK_OUTCOME_APPLIED, effect=effect
        )
        if item.label
        else feedback_pb2.FeedbackAcknowledgement(
            feedback_id=item.feedback_id,
            outcome=feedback_pb2.FEEDBACK_OUTCOME_REJECTED,
            reason="dropped, as its judgement asks",
        )
        for item in items
    ]
    return Answer(acknowledgements=acknowledgements, lessons=lessons)


def knowledge(lessons: Sequence[Lesson]) -> Mapping[str, Vector]:
    """The centre of each class: of its judged samples where there are any, else as the model was delivered."""
    judged = {
        label: np.mean([lesson.point for lesson in lessons if lesson.label == label], axis=0)
        for label in {lesson.label for lesson in lessons}
    }
    return {label: centres()[label] for label in KNOWN} | judged


def _effect(
    items: Sequence[feedback_pb2.FeedbackItem],
    earlier: Sequence[Lesson],
    later: Sequence[Lesson],
    moment: datetime,
) -> feedback_pb2.AdaptationEffect:
    before, after = knowledge(earlier), knowledge(later)
    points = [(np.frombuffer(item.embedding.values, "<f4").astype(np.float32), item.label) for item in items]
    reference = [(centres()[label], label) for label in KNOWN]
    return feedback_pb2.AdaptationEffect(
        adaptation_id=make_id(moment, *(item.feedback_id for item in items)),
        judged_accuracy_before=_accuracy(points, before),
        judged_accuracy_after=_accuracy(points, after),
        judged_sample_count=len(points),
        reference_accuracy_before=_accuracy(reference, before),
        reference_accuracy_after=_accuracy(reference, after),
        reference_sample_count=len(reference),
        commit_time=to_timestamp(moment),
    )


def _accuracy(points: Sequence[tuple[Vector, str]], known: Mapping[str, Vector]) -> float:
    right = [classify(point, known).label == label for point, label in points]
    return sum(right) / len(right) if right else 0.0
