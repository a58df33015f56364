"""What became of a call that did not succeed, in the device's words."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from tinylcm.errors import TinyLcmError

_LINK_CODES = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.INTERNAL,  # what a connection cut inside a frame looks like
}
_REFUSAL_CODES = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.DATA_LOSS,
    grpc.StatusCode.RESOURCE_EXHAUSTED,  # with RetryInfo it is none
}
_NOT_WELCOME_CODES = {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}
_NOT_WELCOME_WAIT_S = 60.0
SUPERSEDED = "UPLOAD_SUPERSEDED"
_NEWER_SENDER_WAIT_S = 5.0  # a server commits every 2 s: by then it shows whether the newer one goes on


class CallError(TinyLcmError):
    """A call failed.

    Attributes:
        code: gRPC status.
        reason: Stable reason of the contract, e.g. "DEVICE_NOT_FOUND"; empty when the server gave none.
        retry_after_s: How long the server asks to wait; None when it does not say.
        metadata: Particulars of the reason, e.g. ``{"committed_offset": "4096"}``.
    """

    def __init__(
        self,
        message: str,
        *,
        code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE,
        reason: str = "",
        retry_after_s: float | None = None,
        metadata: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.retry_after_s = retry_after_s
        self.metadata = metadata or {}

    @property
    def is_link_failure(self) -> bool:
        """Whether the link or the server broke down, so that the same call may succeed later."""
        return not self.reason and self.code in _LINK_CODES

    @property
    def is_unreachable(self) -> bool:
        """Whether nobody answered at all: trying again costs no server anything until the link is back."""
        return not self.reason and self.code is grpc.StatusCode.UNAVAILABLE

    @property
    def is_refusal(self) -> bool:
        """Whether the server does not want this very call, whenever it is made; all else may succeed later."""
        return self.code in _REFUSAL_CODES and self.retry_after_s is None

    @property
    def wait_s(self) -> float:
        """Least time before the service should be asked again."""
        if self.retry_after_s is not None:
            return self.retry_after_s
        if self.reason == SUPERSEDED:
            return _NEWER_SENDER_WAIT_S
        return _NOT_WELCOME_WAIT_S if self.code in _NOT_WELCOME_CODES else 0.0


@contextmanager
def calling(what: str) -> Iterator[None]:
    """Turns a gRPC error raised inside into a `CallError` that says what was being done."""
    try:
        yield
    except grpc.RpcError as error:
        raise _translate(what, error) from error


def _translate(what: str, error: grpc.RpcError) -> CallError:
    call: Any = error  # what a stub raises is an RpcError and a Call at once, which types cannot say
    code = call.code() or grpc.StatusCode.UNKNOWN
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    for detail in _details(call):
        detail.Unpack(info)
        detail.Unpack(retry)
    has_retry = retry.HasField("retry_delay")
    return CallError(
        f"{what}: {code.name} {info.reason} {call.details() or ''}".replace("  ", " ").strip(),
        code=code,
        reason=info.reason,
        retry_after_s=max(retry.retry_delay.ToTimedelta().total_seconds(), 0.0) if has_retry else None,
        metadata=dict(info.metadata),
    )


def _details(call: grpc.Call) -> list[Any]:
    try:
        status = rpc_status.from_call(call)
    except ValueError:  # details that contradict the status: use neither
        return []
    return [] if status is None else list(status.details)
