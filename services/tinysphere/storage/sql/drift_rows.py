"""Drift records as rows, and back."""

from dataclasses import fields
from datetime import datetime
from enum import Enum
from typing import Any, TypeVar

import sqlalchemy as sa

from tinysphere.domain.drift import (
    Decision,
    DriftCause,
    DriftEvent,
    DriftEventState,
    DriftEventTransition,
    DriftScope,
    DriftType,
    Embedding,
    EventProgress,
    ImageFormat,
    Judgement,
    JudgementChange,
    Neighbour,
    Sample,
    SampleState,
    Severity,
    StoredImage,
    Verdict,
)
from tinysphere.domain.feedback import Acknowledgement, FeedbackItem, FeedbackOutcome
from tinysphere.storage.ports.drift import NewFeedback
from tinysphere.storage.sql.row_parts import (
    Row,
    attributes,
    effect_from,
    effect_json,
    model_columns,
    model_from,
)

EnumT = TypeVar("EnumT", bound=Enum)

PROGRESS_COLUMNS = tuple(field.name for field in fields(EventProgress))

_EVENT_COLUMNS = (
    "drift_event_id",
    "device_id",
    "detector",
    "statistic",
    "threshold",
    "shift_sigma",
    "start_time",
    "detect_time",
    "recovery_time",
    "start_index",
    "detect_index",
    "recovery_index",
    "description",
    "receive_time",
    "resolution",
    "closed_by_hand",
    "scope_reason",
)
_SAMPLE_COLUMNS = (
    "sample_id",
    "device_id",
    "drift_event_id",
    "source_index",
    "capture_time",
    "predicted_label",
    "confidence",
    "distance_score",
    "disagree_time",
)
_VERDICT_COLUMNS = (
    "verdict_id",
    "sample_id",
    "reviewer",
    "label",
    "confidence",
    "note",
    "submit_time",
    "group_id",
)


def event_row(event: DriftEvent) -> Row:
    """A row of `drift_events`."""
    return {
        **attributes(event, _EVENT_COLUMNS),
        **model_columns(event.model),
        "type": event.type.value,
        "severity": _value(event.severity),
        "cause": _value(event.cause),
        "state": event.state.value,
        "scope": _value(event.scope),
        "scope_due_time": event.receive_time,
    }


def event_from(row: sa.RowMapping) -> DriftEvent:
    """From a row of `drift_events` joined with `drift_event_progress`."""
    return DriftEvent(
        **{name: row[name] for name in _EVENT_COLUMNS},
        model=model_from(row),
        type=DriftType(row["type"]),
        severity=_member(Severity, row["severity"]),
        cause=_member(DriftCause, row["cause"]),
        state=DriftEventState(row["state"]),
        scope=_member(DriftScope, row["scope"]),
        progress=EventProgress(**{name: row[name] for name in PROGRESS_COLUMNS}),
    )


def transition_row(drift_event_id: str, transition: DriftEventTransition) -> Row:
    """A row of `drift_event_transitions`."""
    return {
        "drift_event_id": drift_event_id,
        "from_state": transition.from_state.value,
        "to_state": transition.to_state.value,
        "actor": transition.actor,
        "reason": transition.reason,
        "change_time": transition.change_time,
    }


def transition_from(row: sa.RowMapping) -> DriftEventTransition:
    """From a row of `drift_event_transitions`."""
    return DriftEventTransition(
        from_state=DriftEventState(row["from_state"]),
        to_state=DriftEventState(row["to_state"]),
        actor=row["actor"],
        reason=row["reason"],
        change_time=row["change_time"],
    )


def sample_row(sample: Sample) -> Row:
    """A row of `samples`."""
    image, judgement = sample.image, sample.judgement
    return {
        **attributes(sample, _SAMPLE_COLUMNS),
        **model_columns(sample.model),
        "feature_space": sample.embedding.feature_space,
        "embedding": sample.embedding.values,
        "dimension_count": sample.embedding.dimension_count,
        "neighbours": [[entry.sample_id, entry.label, entry.distance] for entry in sample.neighbours],
        "image_format": image.format.value if image else None,
        "image_sha256": image.sha256 if image else None,
        "image_size_bytes": image.size_bytes if image else None,
        "state": sample.state.value,
        "judged_decision": judgement.decision.value if judgement else None,
        "judged_label": judgement.label if judgement else None,
    }


def sample_from(row: sa.RowMapping) -> Sample:
    """From a row of `samples`."""
    return Sample(
        **{name: row[name] for name in _SAMPLE_COLUMNS},
        model=model_from(row),
        embedding=_embedding_from(row),
        neighbours=tuple(
            Neighbour(sample_id=sample_id, label=label, distance=distance)
            for sample_id, label, distance in row["neighbours"]
        ),
        image=_image_from(row),
        judgement=_judgement_from(row["judged_decision"], row["judged_label"]),
        group_id=row["group_id"] or "",
        group_similarity=row["group_similarity"] or 0.0,
    )


def judgement_columns(change: JudgementChange) -> Row:
    """The columns of `samples` that a judgement sets, and the key of its sample."""
    judgement = change.after
    state = SampleState.OPEN if judgement is None else SampleState.JUDGED
    return {
        "key": change.sample_id,
        "state": state.value,
        "judged_decision": judgement.decision.value if judgement else None,
        "judged_label": judgement.label if judgement else None,
        "disagree_time": change.disagree_time,
    }


def verdict_row(verdict: Verdict, drift_event_id: str) -> Row:
    """A row of `verdicts`, without its ordinal."""
    decision = verdict.decision.value
    return {**attributes(verdict, _VERDICT_COLUMNS), "decision": decision, "drift_event_id": drift_event_id}


def verdict_from(row: sa.RowMapping) -> Verdict:
    """From a row of `verdicts`."""
    return Verdict(**{name: row[name] for name in _VERDICT_COLUMNS}, decision=Decision(row["decision"]))


def feedback_row(item: NewFeedback, *, sequence: int, create_time: datetime) -> Row:
    """A row of `feedback_items`, without its ordinal and not answered."""
    return {
        "feedback_id": item.feedback_id,
        "device_id": item.device_id,
        "sequence": sequence,
        "sample_id": item.sample_id,
        "drift_event_id": item.drift_event_id,
        "decision": item.judgement.decision.value,
        "label": item.judgement.label,
        "create_time": create_time,
        "done": False,
    }


def feedback_from(row: sa.RowMapping) -> FeedbackItem:
    """From a row of `feedback_items` joined with the embedding of its sample."""
    return FeedbackItem(
        feedback_id=row["feedback_id"],
        device_id=row["device_id"],
        sequence=row["sequence"],
        sample_id=row["sample_id"],
        drift_event_id=row["drift_event_id"],
        judgement=Judgement(decision=Decision(row["decision"]), label=row["label"]),
        embedding=_embedding_from(row),
        create_time=row["create_time"],
        acknowledgement=_acknowledgement_from(row),
    )


def acknowledgement_columns(answer: Acknowledgement) -> Row:
    """The columns of `feedback_items` that an answer sets."""
    return {
        "done": answer.outcome.final,
        "outcome": answer.outcome.value,
        "reason": answer.reason,
        "effect": effect_json(answer.effect) if answer.effect else None,
        "acknowledge_time": answer.acknowledge_time,
    }


def _acknowledgement_from(row: sa.RowMapping) -> Acknowledgement | None:
    if row["outcome"] is None:
        return None
    return Acknowledgement(
        feedback_id=row["feedback_id"],
        outcome=FeedbackOutcome(row["outcome"]),
        reason=row["reason"],
        effect=effect_from(row["effect"]) if row["effect"] else None,
        acknowledge_time=row["acknowledge_time"],
    )


def _embedding_from(row: sa.RowMapping) -> Embedding:
    return Embedding(
        values=bytes(row["embedding"]),
        dimension_count=row["dimension_count"],
        feature_space=row["feature_space"],
    )


def _image_from(row: sa.RowMapping) -> StoredImage | None:
    if row["image_sha256"] is None:
        return None
    return StoredImage(
        format=ImageFormat(row["image_format"]),
        sha256=row["image_sha256"],
        size_bytes=row["image_size_bytes"],
    )


def _judgement_from(decision: str | None, label: str | None) -> Judgement | None:
    return None if decision is None else Judgement(decision=Decision(decision), label=label or "")


def _value(member: Enum | None) -> Any:
    return None if member is None else member.value


def _member(enum: type[EnumT], value: str | None) -> EnumT | None:
    return None if value is None else enum(value)
