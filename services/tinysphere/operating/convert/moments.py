"""Moments from the contract's messages."""

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp


def read_moment(message: Timestamp) -> datetime:
    """An aware moment."""
    return message.ToDatetime(tzinfo=UTC)
