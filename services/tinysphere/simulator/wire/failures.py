"""What became of a call that did not succeed."""

from typing import Any

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

_REFUSALS = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
}
# What grpc.aio makes of a message written while the server's status arrives: no word of the server's.
_CORE_ERROR = "Internal error from Core"


class CallError(Exception):
    """A call failed, at the server or on its way.

    Attributes:
        code: Name of the gRPC status.
        reason: The contract's reason, or what the simulated link did ("LINK_CUT"); empty for neither.
        retry_after_s: How long the server asks to wait, real seconds; None when it does not say.
    """

    def __init__(
        self, code: grpc.StatusCode, reason: str, *, retry_after_s: float | None = None, text: str = ""
    ) -> None:
        super().__init__(f"{code.name} {reason} {text}".strip())
        self.code = code.name
        self.reason = reason
        self.retry_after_s = retry_after_s
        self.is_refusal = retry_after_s is None and (
            code in _REFUSALS or reason in ("PACKAGE_TOO_LARGE", "DEVICE_REVOKED")
        )


def link_error(reason: str) -> CallError:
    """The simulated link failed: no server had a part in it."""
    return CallError(grpc.StatusCode.UNAVAILABLE, f"LINK_{reason.upper()}")


def translate(error: grpc.aio.AioRpcError) -> CallError:
    """What the status says."""
    if error.details() == _CORE_ERROR:
        return CallError(grpc.StatusCode.UNKNOWN, "STREAM_ENDED")
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    for detail in _details(error):
        detail.Unpack(info)
        detail.Unpack(retry)
    has_retry = retry.HasField("retry_delay")
    return CallError(
        error.code(),
        info.reason,
        retry_after_s=max(0.0, retry.retry_delay.ToTimedelta().total_seconds()) if has_retry else None,
        text=error.details() or "",
    )


def _details(error: Any) -> list[Any]:
    try:
        status = rpc_status.from_call(error)
    except ValueError:  # details that contradict the status: use neither
        return []
    return [] if status is None else list(status.details)
