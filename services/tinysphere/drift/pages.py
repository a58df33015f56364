"""What only drift's pages need: answers without vectors, and sort keys that begin with a moment."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

from google.protobuf.message import Message

from tinysphere.domain.moments import microseconds, moment_of
from tinysphere.rpc.pages import fitting
from tinysphere.rpc.paging import Key
from tinysphere.storage.ports.drift import TimeKey

MessageT = TypeVar("MessageT", bound=Message)


def without_vectors_if_large(messages: Sequence[MessageT]) -> Sequence[MessageT]:
    """An answer that must be whole: it leaves the embeddings out where they would not fit."""
    if len(fitting(messages)) < len(messages):
        for message in messages:
            message.ClearField("embedding")
    return messages


def key_of(moment: datetime, identity: str) -> Key:
    """A moment and an id as parts of a token."""
    return microseconds(moment), identity


def read_time_key(after: Key | None) -> TimeKey | None:
    """What `key_of` made."""
    if after is None:
        return None
    return moment_of(int(after[0])), str(after[1])


def read_ordinal(after: Key | None) -> int | None:
    """The one number of a token."""
    return None if after is None else int(after[0])
