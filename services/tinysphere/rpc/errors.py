"""The one place where the server's errors become gRPC status: one table, one translator."""

import math
from typing import NamedTuple

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from tinysphere import errors

DOMAIN = "tinymlops.v1"
MAX_MESSAGE_CHARACTERS = 1024  # status travels in headers, which peers limit to 8 KiB

_CODES: dict[type[errors.TinySphereError], int] = {
    errors.InvalidRequestError: code_pb2.INVALID_ARGUMENT,
    errors.NotFoundError: code_pb2.NOT_FOUND,
    errors.ConflictError: code_pb2.ALREADY_EXISTS,
    errors.PreconditionError: code_pb2.FAILED_PRECONDITION,
    errors.SupersededError: code_pb2.ABORTED,
    errors.DamagedDataError: code_pb2.DATA_LOSS,
    errors.ExhaustedError: code_pb2.RESOURCE_EXHAUSTED,
    errors.OutOfRangeError: code_pb2.OUT_OF_RANGE,
    errors.UnavailableError: code_pb2.UNAVAILABLE,
    errors.ForbiddenError: code_pb2.PERMISSION_DENIED,
}


class ErrorFacts(NamedTuple):
    """What a failed call to another service says of itself."""

    code: grpc.StatusCode
    reason: str
    message: str


def to_status(error: errors.TinySphereError) -> grpc.Status:
    """Status with ErrorInfo, and RetryInfo or BadRequest where the error has them."""
    code = next(_CODES[kind] for kind in type(error).__mro__ if kind in _CODES)
    details: list[Message] = [
        error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata)
    ]
    if isinstance(error, errors.InvalidFieldError):
        details.append(bad_request(error))
    if error.retry_after_s is not None:
        details.append(retry_info(error.retry_after_s))
    return _status(code, str(error), details)


def unexpected_status() -> grpc.Status:
    """What callers learn of an error nobody foresaw: nothing but that."""
    info = error_details_pb2.ErrorInfo(reason="INTERNAL", domain=DOMAIN)
    return _status(code_pb2.INTERNAL, "internal error; the server's log has more", [info])


def unimplemented_status(method: str) -> grpc.Status:
    """For a method of the contract this server does not serve."""
    info = error_details_pb2.ErrorInfo(reason="UNIMPLEMENTED", domain=DOMAIN)
    return _status(code_pb2.UNIMPLEMENTED, f"{method} is not served here", [info])


def bad_request(error: errors.InvalidFieldError) -> error_details_pb2.BadRequest:
    """The field that broke its limit."""
    violation = error_details_pb2.BadRequest.FieldViolation(field=error.field, description=error.description)
    return error_details_pb2.BadRequest(field_violations=[violation])


def retry_info(retry_after_s: float) -> error_details_pb2.RetryInfo:
    """When repeating may help."""
    info = error_details_pb2.RetryInfo()
    info.retry_delay.FromMilliseconds(math.ceil(retry_after_s * 1000))
    return info


def facts_of(error: grpc.RpcError) -> ErrorFacts:
    """Read a failed call of ours to another service of the contract; ``reason`` is empty without ErrorInfo."""
    status = rpc_status.from_call(error)
    reason = ""
    for detail in status.details if status is not None else ():
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            reason = info.reason
    return ErrorFacts(code=error.code(), reason=reason, message=error.details() or "")


def _status(code: int, message: str, details: list[Message]) -> grpc.Status:
    status = status_pb2.Status(code=code, message=message[:MAX_MESSAGE_CHARACTERS])
    for detail in details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    translated: grpc.Status = rpc_status.to_status(status)
    return translated
