"""Calls over gRPC as a person waits for them: bounded in time and rows, their failures in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status

TIMEOUT_S = 5.0
PAGE_SIZE = 500
MAX_ROWS = 2_000
"""No screen asks for more rows than people can look at."""

Response = TypeVar("Response", bound=Message)


class HubError(Exception):
    """A call failed; the text says to a person what happened and what to do.

    Attributes:
        reason: The contract's ``ErrorInfo.reason`` where the server gave one, else the gRPC status name.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Calls:
    """Raises `HubError` from every method.

    Args:
        targets: Addresses by the names of the services.
    """

    def __init__(self, targets: Mapping[str, str]) -> None:
        self._targets = targets

    def one(
        self, method: Callable[..., Response], request: Message, *, timeout_s: float = TIMEOUT_S
    ) -> Response:
        """The answer of a unary method."""
        with self.explained():
            return method(request, timeout=timeout_s)

    def pages(self, method: Callable[..., Any], request: Any, field: str, limit: int = MAX_ROWS) -> list[Any]:
        """The first `limit` rows of a List method, which stand in its answers' `field`."""
        rows: list[Any] = []
        while len(rows) < limit:
            response = self.one(method, request)
            rows += getattr(response, field)
            if not response.next_page_token:
                break
            request.page_token = response.next_page_token
        return rows[:limit]

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turns what gRPC raises inside into `HubError`."""
        try:
            yield
        except grpc.RpcError as error:
            raise self._explain(error) from error

    def _explain(self, error: grpc.RpcError) -> HubError:
        code = error.code()
        if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
            places = " and ".join(f"{name} at {target}" for name, target in self._targets.items())
            return HubError(
                "UNAVAILABLE",
                f"The server does not answer ({places}). Start it with: tinysphere serve all. If it runs elsewhere, "
                "set TINYBOARD_INGESTION_TARGET, TINYBOARD_DRIFT_TARGET and TINYBOARD_DISTRIBUTION_TARGET.",
            )
        return HubError(_reason(error) or code.name, error.details() or code.name)


def _reason(error: grpc.RpcError) -> str:
    """The contract's stable word for what went wrong, which every refusal carries."""
    status = rpc_status.from_call(error)
    for detail in status.details if status else ():
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return str(info.reason)
    return ""
