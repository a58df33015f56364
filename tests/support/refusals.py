"""What a refused call says of itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

DOMAIN = "tinymlops.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Code, ErrorInfo, BadRequest's field, RetryInfo."""

    code: str
    reason: str
    metadata: Mapping[str, str]
    field: str
    retry_after_s: float | None
    message: str

    @property
    def kind(self) -> tuple[str, str]:
        """What callers decide by."""
        return self.code, self.reason


def refused(call: Callable[..., Any], *arguments: Any) -> Refusal:
    """Make a call (and read its answers, if they are a stream), and return how it was refused."""
    with pytest.raises(grpc.RpcError) as caught:
        answer = call(*arguments)
        if hasattr(answer, "__next__"):
            list(answer)
    return read_refusal(caught.value)


def read_refusal(error: grpc.RpcError) -> Refusal:
    """The details of a refused call; every refusal of ours has an ErrorInfo."""
    status = rpc_status.from_call(error)
    assert status is not None, f"no details: {error!r}"
    info, bad, retry = (
        error_details_pb2.ErrorInfo(),
        error_details_pb2.BadRequest(),
        error_details_pb2.RetryInfo(),
    )
    found = [
        message.DESCRIPTOR.name for d in status.details for message in (info, bad, retry) if d.Unpack(message)
    ]
    assert info.domain == DOMAIN
    return Refusal(
        code=error.code().name,
        reason=info.reason,
        metadata=dict(info.metadata),
        field=bad.field_violations[0].field if bad.field_violations else "",
        retry_after_s=retry.retry_delay.ToTimedelta().total_seconds() if "RetryInfo" in found else None,
        message=status.message,
    )
