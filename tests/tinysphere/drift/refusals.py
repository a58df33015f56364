"""What a refused call says of itself."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status


@dataclass(frozen=True, slots=True)
class Refusal:
    code: grpc.StatusCode
    reason: str
    field: str


def refused(call: Callable[..., Any], *arguments: Any) -> Refusal:
    """Calls, expects a refusal, and returns its code, its ErrorInfo reason and its BadRequest field."""
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments)
    status = rpc_status.from_call(caught.value)
    assert status is not None
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(bad)
    assert info.domain == "tinymlops.v1"
    field = bad.field_violations[0].field if bad.field_violations else ""
    return Refusal(caught.value.code(), info.reason, field)


def invalid(field: str) -> Refusal:
    return Refusal(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", field)


def refusal(code: str, reason: str) -> Refusal:
    return Refusal(grpc.StatusCode[code], reason, "")
