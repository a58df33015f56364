"""Drift records as rows, and back."""

from dataclasses import fields
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
    EventProgress,
    ImageFormat,
    Judgement,
    Neighbour,
    Sample,
    Severity,
    StoredImage,
)
from tinysphere.storage.sql.row_parts import (
    Row,
    attributes,
    embedding_from,
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
        embedding=embedding_from(row),
        neighbours=tuple(
            Neighbour(sample_id=sample_id, label=label, distance=distance)
            for sample_id, label, distance in row["neighbours"]
        ),
        image=_image_from(row),
        judgement=_judgement_from(row["judged_decision"], row["judged_label"]),
        group_id=row["group_id"] or "",
        group_similarity=row["group_similarity"] or 0.0,
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
