"""The review queue from and to messages."""

from collections.abc import Sequence

from tinymlops.v1 import review_pb2, review_service_pb2
from tinysphere.domain.queue import QueueFilter, SampleLease
from tinysphere.domain.review import QueueOrder
from tinysphere.drift.convert import replies
from tinysphere.drift.convert.limits import MAX_LEASES, MAX_REVIEWER_CHARACTERS
from tinysphere.drift.convert.reviews import read_lookup, read_optional_lookup
from tinysphere.rpc.checks import require_length, require_range, require_text
from tinysphere.rpc.nouns import read_optional_enum, to_timestamp


def read_reviewer(reviewer: str) -> str:
    """Who asks; raises InvalidFieldError."""
    return require_text("reviewer", reviewer, 1, MAX_REVIEWER_CHARACTERS)


def read_lease_count(request: review_service_pb2.LeaseSamplesRequest) -> int:
    """Most samples wanted; raises InvalidFieldError."""
    return require_range("sample_count", request.sample_count, 0, MAX_LEASES) or 1


def read_order(request: review_service_pb2.LeaseSamplesRequest) -> QueueOrder | None:
    """The order wanted, None for that of the settings; raises InvalidFieldError."""
    return read_optional_enum("order", request.order, review_pb2.QueueOrder, QueueOrder)


def read_queue_filter(request: review_service_pb2.LeaseSamplesRequest) -> QueueFilter:
    """Which samples are wanted; raises InvalidFieldError."""
    return QueueFilter(
        device_id=read_optional_lookup("device_id", request.device_id),
        drift_event_id=read_optional_lookup("drift_event_id", request.drift_event_id),
    )


def read_released(request: review_service_pb2.ReleaseSamplesRequest) -> Sequence[str]:
    """The samples given back; raises InvalidFieldError."""
    require_length("sample_ids", request.sample_ids, 1, MAX_LEASES)
    return [
        read_lookup(f"sample_ids[{index}]", sample_id) for index, sample_id in enumerate(request.sample_ids)
    ]


def sample_lease(lease: SampleLease) -> review_pb2.SampleLease:
    """The contract's message."""
    return review_pb2.SampleLease(
        sample=replies.sample(lease.sample), expire_time=to_timestamp(lease.expire_time)
    )
