"""What the calls of an operator's clients share."""

from collections.abc import Iterator
from contextlib import contextmanager

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


def _meaning(error: grpc.RpcError, target: str) -> TinySphereError:
    facts = facts_of(error)
    reason = facts.reason or facts.code.name
    if facts.code in _PASSING:
        told = f"the server at {target} is away or busy: {facts.message}"
        return UnavailableError(reason, told, retry_after_s=RETRY_AFTER_S)
    return InvalidRequestError(reason, facts.message)
