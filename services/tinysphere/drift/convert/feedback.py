"""Feedback from and to messages."""

from collections.abc import Sequence
from datetime import datetime

from tinymlops.v1 import drift_pb2, feedback_pb2, feedback_service_pb2
from tinysphere.domain.feedback import Acknowledgement, FeedbackItem, FeedbackOutcome
from tinysphere.drift.convert.effects import effect_message, read_effect
from tinysphere.drift.convert.limits import (
    DEFAULT_FETCHED_ITEMS,
    MAX_ACKNOWLEDGEMENTS,
    MAX_FETCHED_ITEMS,
    MAX_LOOKUP_CHARACTERS,
    MAX_TEXT_CHARACTERS,
)
from tinysphere.drift.convert.replies import embedding
from tinysphere.errors import InvalidFieldError
from tinysphere.rpc.checks import (
    require_length,
    require_range,
    require_text,
)
from tinysphere.rpc.nouns import enum_number, read_enum, to_timestamp


def read_fetch_limit(request: feedback_service_pb2.FetchFeedbackRequest) -> int:
    """Most items wanted; raises InvalidFieldError."""
    return require_range("page_size", request.page_size, 0, MAX_FETCHED_ITEMS) or DEFAULT_FETCHED_ITEMS


def read_acknowledgements(
    request: feedback_service_pb2.AcknowledgeFeedbackRequest, *, acknowledge_time: datetime
) -> Sequence[Acknowledgement]:
    """The answers of a request; raises InvalidFieldError."""
    require_length("acknowledgements", request.acknowledgements, 1, MAX_ACKNOWLEDGEMENTS)
    return [
        _read_acknowledgement(f"acknowledgements[{index}]", message, acknowledge_time)
        for index, message in enumerate(request.acknowledgements)
    ]


def feedback_item(item: FeedbackItem) -> feedback_pb2.FeedbackItem:
    """The contract's message."""
    answer = item.acknowledgement
    return feedback_pb2.FeedbackItem(
        feedback_id=item.feedback_id,
        device_id=item.device_id,
        sequence=item.sequence,
        sample_id=item.sample_id,
        drift_event_id=item.drift_event_id,
        decision=enum_number(item.judgement.decision, drift_pb2.Decision),
        label=item.judgement.label,
        embedding=embedding(item.embedding),
        create_time=to_timestamp(item.create_time),
        outcome=enum_number(answer.outcome if answer else None, feedback_pb2.FeedbackOutcome),
        reason=answer.reason if answer else "",
        effect=effect_message(answer.effect) if answer and answer.effect else None,
        acknowledge_time=to_timestamp(answer.acknowledge_time if answer else None),
    )


def _read_acknowledgement(
    field: str, message: feedback_pb2.FeedbackAcknowledgement, acknowledge_time: datetime
) -> Acknowledgement:
    outcome = read_enum(f"{field}.outcome", message.outcome, feedback_pb2.FeedbackOutcome, FeedbackOutcome)
    applied = outcome is FeedbackOutcome.APPLIED
    if message.HasField("effect") != applied:
        raise InvalidFieldError(f"{field}.effect", "to be there exactly when the outcome is APPLIED")
    return Acknowledgement(
        feedback_id=require_text(f"{field}.feedback_id", message.feedback_id, 1, MAX_LOOKUP_CHARACTERS),
        outcome=outcome,
        reason=require_text(f"{field}.reason", message.reason, 0 if applied else 1, MAX_TEXT_CHARACTERS),
        effect=read_effect(f"{field}.effect", message.effect) if applied else None,
        acknowledge_time=acknowledge_time,
    )
