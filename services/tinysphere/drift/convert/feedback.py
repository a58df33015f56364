"""Feedback from and to messages."""

from collections.abc import Sequence
from datetime import datetime

from tinymlops.v1 import drift_pb2, feedback_pb2, feedback_service_pb2
from tinysphere.domain.feedback import Acknowledgement, AdaptationEffect, FeedbackItem, FeedbackOutcome
from tinysphere.drift.convert.limits import (
    DEFAULT_FETCHED_ITEMS,
    MAX_ACKNOWLEDGEMENTS,
    MAX_FETCHED_ITEMS,
    MAX_LOOKUP_CHARACTERS,
    MAX_TEXT_CHARACTERS,
    require_length,
)
from tinysphere.drift.convert.replies import embedding
from tinysphere.errors import InvalidFieldError
from tinysphere.rpc.checks import (
    require_count,
    require_finite,
    require_id,
    require_range,
    require_text,
    require_timestamp,
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
        effect=_effect(answer.effect) if answer and answer.effect else None,
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
        effect=_read_effect(f"{field}.effect", message.effect) if applied else None,
        acknowledge_time=acknowledge_time,
    )


def _read_effect(field: str, message: feedback_pb2.AdaptationEffect) -> AdaptationEffect:
    def accuracy(name: str) -> float:
        return require_finite(f"{field}.{name}", getattr(message, name), 0, 1)

    def count(name: str) -> int:
        return require_count(f"{field}.{name}", getattr(message, name))

    return AdaptationEffect(
        adaptation_id=require_id(f"{field}.adaptation_id", message.adaptation_id),
        judged_accuracy_before=accuracy("judged_accuracy_before"),
        judged_accuracy_after=accuracy("judged_accuracy_after"),
        judged_sample_count=count("judged_sample_count"),
        reference_accuracy_before=accuracy("reference_accuracy_before"),
        reference_accuracy_after=accuracy("reference_accuracy_after"),
        reference_sample_count=count("reference_sample_count"),
        propagated_sample_count=count("propagated_sample_count"),
        commit_time=require_timestamp(f"{field}.commit_time", message.commit_time),
    )


def _effect(effect: AdaptationEffect) -> feedback_pb2.AdaptationEffect:
    return feedback_pb2.AdaptationEffect(
        adaptation_id=effect.adaptation_id,
        judged_accuracy_before=effect.judged_accuracy_before,
        judged_accuracy_after=effect.judged_accuracy_after,
        judged_sample_count=effect.judged_sample_count,
        reference_accuracy_before=effect.reference_accuracy_before,
        reference_accuracy_after=effect.reference_accuracy_after,
        reference_sample_count=effect.reference_sample_count,
        propagated_sample_count=effect.propagated_sample_count,
        commit_time=to_timestamp(effect.commit_time),
    )
