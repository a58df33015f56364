"""An operator's client of IngestionService."""

from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from tinymlops.v1 import ingestion_service_pb2, ingestion_service_pb2_grpc
from tinysphere.domain.packages import Package, PackageState
from tinysphere.errors import InvalidRequestError, TinySphereError, UnavailableError
from tinysphere.operating.convert import read_package, state_number
from tinysphere.rpc.channels import open_channel
from tinysphere.rpc.errors import facts_of

TIMEOUT_S = 20.0
WATCH_TIMEOUT_S = 660.0  # the server ends a watch after 600
MAX_PAGE = 500
RETRY_AFTER_S = 5.0

_PASSING = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
)


class PackagesClient:
    """Packages of the server at ``target`` ("host:port"). Connects with the first call; close it at the end.

    Every method raises UnavailableError when the server is away or busy, and InvalidRequestError when it refuses.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self._channel = open_channel(target)
        self._stub = ingestion_service_pb2_grpc.IngestionServiceStub(self._channel)

    def newest(self, device_id: str, state: PackageState | None, limit: int) -> Iterator[Package]:
        """At most ``limit`` packages, newest first; of all devices when ``device_id`` is empty."""
        request = ingestion_service_pb2.ListPackagesRequest(device_id=device_id, state=state_number(state))
        while limit > 0:
            request.page_size = min(limit, MAX_PAGE)
            with self._translated():
                page = self._stub.ListPackages(request, timeout=TIMEOUT_S)
            yield from map(read_package, page.packages)
            limit -= len(page.packages)
            request.page_token = page.next_page_token
            if not page.next_page_token:
                return

    def retry(self, package_id: str) -> Package:
        """Have the failed steps processed again."""
        request = ingestion_service_pb2.RetryPackageRequest(package_id=package_id)
        with self._translated():
            return read_package(self._stub.RetryPackage(request, timeout=TIMEOUT_S).package)

    def watch(self, package_id: str) -> Iterator[Package]:
        """The package again and again, until it is final; it ends earlier when that takes more than ten minutes."""
        request = ingestion_service_pb2.WatchPackageRequest(package_id=package_id)
        with self._translated():
            for answer in self._stub.WatchPackage(request, timeout=WATCH_TIMEOUT_S):
                yield read_package(answer.package)

    def close(self) -> None:
        """End the connection."""
        self._channel.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except grpc.RpcError as error:
            raise self._meaning(error) from error

    def _meaning(self, error: grpc.RpcError) -> TinySphereError:
        facts = facts_of(error)
        reason = facts.reason or facts.code.name
        if facts.code in _PASSING:
            told = f"the server at {self._target} is away or busy: {facts.message}"
            return UnavailableError(reason, told, retry_after_s=RETRY_AFTER_S)
        return InvalidRequestError(reason, facts.message)
