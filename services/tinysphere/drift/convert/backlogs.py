"""Backlogs of feedback to messages."""

from datetime import datetime

from tinymlops.v1 import feedback_pb2
from tinysphere.domain.backlogs import FeedbackBacklog
from tinysphere.domain.moments import microseconds, moment_of
from tinysphere.rpc.nouns import enum_number, to_timestamp
from tinysphere.rpc.paging import Key
from tinysphere.storage.ports.backlogs import BacklogKey

_NOTHING_WAITS = -1


def backlog_message(backlog: FeedbackBacklog, *, now: datetime) -> feedback_pb2.FeedbackBacklog:
    """The contract's message."""
    return feedback_pb2.FeedbackBacklog(
        device_id=backlog.device_id,
        state=enum_number(backlog.state(now), feedback_pb2.BacklogState),
        waiting_count=backlog.waiting_count,
        deferred_count=backlog.deferred_count,
        applied_count=backlog.applied_count,
        rejected_count=backlog.rejected_count,
        oldest_waiting_time=to_timestamp(backlog.oldest_waiting_time),
        acknowledge_time=to_timestamp(backlog.acknowledge_time),
        last_reason=backlog.last_reason,
    )


def backlog_key(backlog: FeedbackBacklog) -> Key:
    """The sort key of a backlog as parts of a token."""
    oldest = backlog.oldest_waiting_time
    return (_NOTHING_WAITS if oldest is None else microseconds(oldest), backlog.device_id)


def read_backlog_key(after: Key | None) -> BacklogKey | None:
    """What `backlog_key` made."""
    if after is None:
        return None
    oldest = int(after[0])
    return (None if oldest == _NOTHING_WAITS else moment_of(oldest), str(after[1]))
