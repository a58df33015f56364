"""An operator's client of IngestionService."""

from collections.abc import Iterator

from tinymlops.v1 import ingestion_service_pb2, ingestion_service_pb2_grpc
from tinysphere.domain.packages import Package, PackageState
from tinysphere.operating.client.calls import TIMEOUT_S, rows, translated
from tinysphere.operating.convert.packages import read_package, state_number
from tinysphere.rpc.channels import open_channel

WATCH_TIMEOUT_S = 660.0  # the server ends a watch after 600


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
        found = rows(self._stub.ListPackages, request, "packages", self._target, limit=limit)
        yield from map(read_package, found)

    def retry(self, package_id: str) -> Package:
        """Have the failed steps processed again."""
        request = ingestion_service_pb2.RetryPackageRequest(package_id=package_id)
        with translated(self._target):
            return read_package(self._stub.RetryPackage(request, timeout=TIMEOUT_S).package)

    def watch(self, package_id: str) -> Iterator[Package]:
        """The package again and again, until it is final; it ends earlier when that takes more than ten minutes."""
        request = ingestion_service_pb2.WatchPackageRequest(package_id=package_id)
        with translated(self._target):
            for answer in self._stub.WatchPackage(request, timeout=WATCH_TIMEOUT_S):
                yield read_package(answer.package)

    def close(self) -> None:
        """End the connection."""
        self._channel.close()
