"""What people say of samples, and the feedback made of it, as rows and back."""

from datetime import datetime

import sqlalchemy as sa

from tinysphere.domain.drift import Decision, Judgement, JudgementChange, SampleState, Verdict
from tinysphere.domain.feedback import Acknowledgement, FeedbackItem, FeedbackOutcome
from tinysphere.storage.ports.drift import NewFeedback
from tinysphere.storage.sql.row_parts import Row, attributes, effect_from, effect_json, embedding_from

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
        embedding=embedding_from(row),
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
