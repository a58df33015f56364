"""Every error of the server has one status, with the details the contract promises."""

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from tinysphere import errors
from tinysphere.rpc.errors import MAX_MESSAGE_CHARACTERS, to_status, unexpected_status

CODES = {
    errors.InvalidRequestError: grpc.StatusCode.INVALID_ARGUMENT,
    errors.NotFoundError: grpc.StatusCode.NOT_FOUND,
    errors.ConflictError: grpc.StatusCode.ALREADY_EXISTS,
    errors.PreconditionError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.SupersededError: grpc.StatusCode.ABORTED,
    errors.DamagedDataError: grpc.StatusCode.DATA_LOSS,
    errors.ExhaustedError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.OutOfRangeError: grpc.StatusCode.OUT_OF_RANGE,
    errors.UnavailableError: grpc.StatusCode.UNAVAILABLE,
    errors.ForbiddenError: grpc.StatusCode.PERMISSION_DENIED,
}


def details_of(status: grpc.Status) -> status_pb2.Status:
    content = dict(status.trailing_metadata)["grpc-status-details-bin"]
    return status_pb2.Status.FromString(content)


@pytest.mark.parametrize("kind", errors.TinySphereError.__subclasses__(), ids=lambda kind: kind.__name__)
def test_every_error_has_its_code_and_says_why(kind: type[errors.TinySphereError]) -> None:
    status = to_status(kind("SOME_REASON", "what happened", metadata={"key": "value"}))
    assert status.code == CODES[kind]
    details = details_of(status)
    assert details.message == "what happened"
    info = error_details_pb2.ErrorInfo()
    assert details.details[0].Unpack(info)
    assert (info.reason, info.domain, dict(info.metadata)) == (
        "SOME_REASON",
        "tinymlops.v1",
        {"key": "value"},
    )
    assert len(details.details) == 1


def test_a_wrong_field_is_named() -> None:
    details = details_of(to_status(errors.InvalidFieldError("verdicts[3].label", "1 to 64 characters", "0")))
    bad = error_details_pb2.BadRequest()
    assert details.details[1].Unpack(bad)
    assert bad.field_violations[0].field == "verdicts[3].label"
    assert bad.field_violations[0].description == "expected 1 to 64 characters, got 0"


def test_what_is_worth_repeating_says_when() -> None:
    details = details_of(to_status(errors.UnavailableError("DRAINING", "soon", retry_after_s=1.25)))
    retry = error_details_pb2.RetryInfo()
    assert details.details[1].Unpack(retry)
    assert retry.retry_delay.ToMilliseconds() == 1250


def test_long_messages_are_cut_to_fit_headers() -> None:
    status = to_status(errors.NotFoundError("SOME_REASON", "x" * 100_000))
    assert len(status.details) == MAX_MESSAGE_CHARACTERS


def test_the_unexpected_tells_nothing() -> None:
    status = unexpected_status()
    assert status.code == grpc.StatusCode.INTERNAL
    assert details_of(status).message == "internal error; the server's log has more"
