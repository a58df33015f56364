"""Settings of reviewing from and to messages."""

from tinymlops.v1 import review_pb2
from tinysphere.domain.review import QueueOrder, ReviewSettings, VerdictPolicy
from tinysphere.drift.convert.limits import (
    MAX_ADJUDICATORS,
    MAX_LEASE,
    MAX_REQUIRED_COUNT,
    MAX_REVIEWER_CHARACTERS,
    MAX_REVIEWER_COUNT,
    MIN_LEASE,
)
from tinysphere.rpc.checks import require_count, require_duration, require_length, require_range, require_text
from tinysphere.rpc.nouns import enum_number, read_enum, to_timestamp


def read_settings(field: str, message: review_pb2.ReviewSettings) -> ReviewSettings:
    """The settings wanted; raises InvalidFieldError."""
    policy = read_enum(f"{field}.policy", message.policy, review_pb2.VerdictPolicy, VerdictPolicy)
    one = policy is VerdictPolicy.ONE
    required = require_range(
        f"{field}.required_count", message.required_count, 1, 1 if one else MAX_REQUIRED_COUNT
    )
    most = 1 if one else MAX_REVIEWER_COUNT
    return ReviewSettings(
        revision=require_count(f"{field}.revision", message.revision),
        policy=policy,
        required_count=required,
        reviewer_count=require_range(f"{field}.reviewer_count", message.reviewer_count, required, most),
        adjudicators=_read_adjudicators(f"{field}.adjudicators", message, policy),
        blind=message.blind,
        lease_duration=require_duration(
            f"{field}.lease_duration", message.lease_duration, MIN_LEASE, MAX_LEASE
        ),
        order=read_enum(f"{field}.order", message.order, review_pb2.QueueOrder, QueueOrder),
        reviewer=require_text(f"{field}.reviewer", message.reviewer, 1, MAX_REVIEWER_CHARACTERS),
    )


def settings_message(settings: ReviewSettings) -> review_pb2.ReviewSettings:
    """The contract's message."""
    message = review_pb2.ReviewSettings(
        revision=settings.revision,
        policy=enum_number(settings.policy, review_pb2.VerdictPolicy),
        required_count=settings.required_count,
        reviewer_count=settings.reviewer_count,
        adjudicators=settings.adjudicators,
        blind=settings.blind,
        order=enum_number(settings.order, review_pb2.QueueOrder),
        reviewer=settings.reviewer,
        update_time=to_timestamp(settings.update_time),
    )
    message.lease_duration.FromTimedelta(settings.lease_duration)
    return message


def _read_adjudicators(
    field: str, message: review_pb2.ReviewSettings, policy: VerdictPolicy
) -> tuple[str, ...]:
    """Each once, in their order."""
    fewest = 1 if policy is VerdictPolicy.ADJUDICATOR else 0
    require_length(field, message.adjudicators, fewest, MAX_ADJUDICATORS)
    names = (
        require_text(f"{field}[{index}]", name, 1, MAX_REVIEWER_CHARACTERS)
        for index, name in enumerate(message.adjudicators)
    )
    return tuple(dict.fromkeys(names))
