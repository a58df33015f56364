"""What the calls of an operator's clients share."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from tinysphere.errors import InvalidRequestError, TinySphereError, UnavailableError
from tinysphere.rpc.errors import facts_of

TIMEOUT_S = 20.0
MAX_PAGE = 500
RETRY_AFTER_S = 5.0

_PASSING = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
)


@contextmanager
def translated(target: str) -> Iterator[None]:
    """Calls to the server at ``target`` raise UnavailableError when it is away or busy, else InvalidRequestError."""
    try:
        yield
    except grpc.RpcError as error:
        raise _meaning(error, target) from error


def rows(
    method: Callable[..., Any], request: Any, field: str, target: str, *, limit: int | None = None
) -> Iterator[Any]:
    """The rows of a List method, page after page, one page held at a time.

    Args:
        method: Takes a request with ``page_size`` and ``page_token``.
        request: Is used up.
        field: Of the answer, that holds the rows.
        target: The server, as `translated` takes it.
        limit: Most rows wanted; None for all.
    """
    left = limit
    while left is None or left > 0:
        request.page_size = MAX_PAGE if left is None else min(left, MAX_PAGE)
        with translated(target):
            page = method(request, timeout=TIMEOUT_S)
        found = getattr(page, field)
        yield from found
        left = None if left is None else left - len(found)
        request.page_token = page.next_page_token
        if not page.next_page_token:
            return


def _meaning(error: grpc.RpcError, target: str) -> TinySphereError:
    facts = facts_of(error)
    reason = facts.reason or facts.code.name
    if facts.code in _PASSING:
        told = f"the server at {target} is away or busy: {facts.message}"
        return UnavailableError(reason, told, retry_after_s=RETRY_AFTER_S)
    return InvalidRequestError(reason, facts.message)
