"""Cuts pages: at most as many rows as wanted, and no more bytes than a gRPC client takes."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from google.protobuf.message import Message

from tinysphere.rpc.paging import Key, next_token

# gRPC clients refuse messages of more than 4 MiB unless told otherwise, and 500 large embeddings are 8 MiB.
MAX_PAGE_BYTES = 3 * 1024 * 1024

RowT = TypeVar("RowT")
MessageT = TypeVar("MessageT", bound=Message)


def cut(
    rows: Sequence[RowT],
    size: int,
    *,
    convert: Callable[[RowT], MessageT],
    key: Callable[[RowT], Key],
    filters: str,
) -> tuple[Sequence[MessageT], str]:
    """Make one page.

    Args:
        rows: One more than wanted, when there are more.
        size: Most rows wanted.
        convert: Makes a row's message.
        key: Gives a row's sort key.
        filters: What the next page's token is bound to.

    Returns:
        The messages, and the token of the next page, empty on the last one.
    """
    messages = fitting([convert(row) for row in rows[:size]])
    if len(messages) == len(rows):
        return messages, ""
    return messages, next_token(key(rows[len(messages) - 1]), filters)


def fitting(messages: Sequence[MessageT]) -> Sequence[MessageT]:
    """The first messages that fit one page: at least one, if there is one."""
    size_bytes = 0
    for index, message in enumerate(messages):
        size_bytes += message.ByteSize()
        if index and size_bytes > MAX_PAGE_BYTES:
            return messages[:index]
    return messages
