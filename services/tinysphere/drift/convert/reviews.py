"""What reviewers send and ask, read and checked."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from tinymlops.v1 import drift_pb2, drift_service_pb2, feedback_service_pb2
from tinysphere.domain.drift import Decision, SampleState, Verdict
from tinysphere.drift.convert.labels import require_label
from tinysphere.drift.convert.limits import (
    MAX_LOOKUP_CHARACTERS,
    MAX_REVIEWER_CHARACTERS,
    MAX_TEXT_CHARACTERS,
    MAX_VERDICTS,
)
from tinysphere.errors import InvalidFieldError
from tinysphere.rpc.checks import require_finite, require_id, require_length, require_text, shown
from tinysphere.rpc.nouns import read_enum, read_optional_enum
from tinysphere.storage.ports.drift import FeedbackFilter, SampleFilter, VerdictFilter


class ChangeRequest(Protocol):
    """ResolveDriftEventRequest or ReopenDriftEventRequest."""

    @property
    def reviewer(self) -> str: ...
    @property
    def reason(self) -> str: ...


def read_verdicts(
    request: drift_service_pb2.SubmitVerdictsRequest, *, submit_time: datetime
) -> Sequence[Verdict]:
    """The verdicts of a request; raises InvalidFieldError."""
    require_length("verdicts", request.verdicts, 1, MAX_VERDICTS)
    return [
        read_verdict(
            f"verdicts[{index}]",
            message,
            sample_id=read_lookup(f"verdicts[{index}].sample_id", message.sample_id),
            submit_time=submit_time,
        )
        for index, message in enumerate(request.verdicts)
    ]


def read_verdict(field: str, message: drift_pb2.Verdict, *, sample_id: str, submit_time: datetime) -> Verdict:
    """What a reviewer says of a sample; raises InvalidFieldError."""
    decision = read_enum(f"{field}.decision", message.decision, drift_pb2.Decision, Decision)
    return Verdict(
        verdict_id=require_id(f"{field}.verdict_id", message.verdict_id),
        sample_id=sample_id,
        reviewer=require_text(f"{field}.reviewer", message.reviewer, 1, MAX_REVIEWER_CHARACTERS),
        decision=decision,
        label=_read_label(f"{field}.label", message.label, decision),
        confidence=require_finite(f"{field}.confidence", message.confidence, 0, 1),
        note=require_text(f"{field}.note", message.note, 0, MAX_TEXT_CHARACTERS),
        submit_time=submit_time,
    )


def read_lookup(field: str, value: str) -> str:
    """An id to look up; anything that is not one is simply not found."""
    return require_text(field, value, 1, MAX_LOOKUP_CHARACTERS)


def read_optional_lookup(field: str, value: str) -> str:
    """As `read_lookup`; empty means all."""
    return require_text(field, value, 0, MAX_LOOKUP_CHARACTERS)


def read_change(request: ChangeRequest) -> tuple[str, str]:
    """Reviewer and reason; raises InvalidFieldError."""
    reviewer = require_text("reviewer", request.reviewer, 1, MAX_REVIEWER_CHARACTERS)
    return reviewer, require_text("reason", request.reason, 1, MAX_TEXT_CHARACTERS)


def read_sample_filter(request: drift_service_pb2.ListSamplesRequest) -> SampleFilter:
    """Which samples are wanted; raises InvalidFieldError."""
    return SampleFilter(
        drift_event_id=read_optional_lookup("drift_event_id", request.drift_event_id),
        device_id=read_optional_lookup("device_id", request.device_id),
        group_id=read_optional_lookup("group_id", request.group_id),
        state=read_optional_enum("state", request.state, drift_pb2.SampleState, SampleState),
    )


def read_verdict_filter(request: drift_service_pb2.ListVerdictsRequest) -> VerdictFilter:
    """Which verdicts are wanted; raises InvalidFieldError."""
    return VerdictFilter(
        sample_id=read_optional_lookup("sample_id", request.sample_id),
        drift_event_id=read_optional_lookup("drift_event_id", request.drift_event_id),
        reader=require_text("reviewer", request.reviewer, 0, MAX_REVIEWER_CHARACTERS),
    )


def read_feedback_filter(request: feedback_service_pb2.ListFeedbackRequest) -> FeedbackFilter:
    """Which feedback items are wanted; raises InvalidFieldError."""
    return FeedbackFilter(
        device_id=read_optional_lookup("device_id", request.device_id),
        drift_event_id=read_optional_lookup("drift_event_id", request.drift_event_id),
    )


def _read_label(field: str, label: str, decision: Decision) -> str:
    if decision.names_label:
        return require_label(field, label)
    if label:
        raise InvalidFieldError(field, f"nothing with {decision.value}", shown(label))
    return ""
