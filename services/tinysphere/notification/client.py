"""The notification service's client of the ingestion process: what is offline, and what failed."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC
from typing import TypeVar

import grpc

from tinymlops.v1 import (
    device_pb2,
    device_service_pb2,
    device_service_pb2_grpc,
    ingestion_service_pb2,
    ingestion_service_pb2_grpc,
    package_pb2,
)
from tinysphere.domain.notifications import Sighting
from tinysphere.errors import UnavailableError
from tinysphere.rpc.channels import open_channel
from tinysphere.rpc.errors import facts_of

TIMEOUT_S = 30.0
RETRY_AFTER_S = 2.0
PAGE_SIZE = 500

Answer = TypeVar("Answer")


class IngestionClient:
    """See `tinysphere.notification.watch.Fleet`. Connects with the first call."""

    def __init__(self, target: str) -> None:
        self._channel = open_channel(target)
        self._devices = device_service_pb2_grpc.DeviceServiceStub(self._channel)
        self._packages = ingestion_service_pb2_grpc.IngestionServiceStub(self._channel)

    def offline_devices(self) -> Sequence[Sighting]:
        """See `Fleet.offline_devices`."""
        return [
            _device(device)
            for device in self._all_devices()
            if device.connectivity == device_pb2.CONNECTIVITY_OFFLINE
        ]

    def failed_packages(self, limit: int) -> Sequence[Sighting]:
        """See `Fleet.failed_packages`."""
        request = ingestion_service_pb2.ListPackagesRequest(state=package_pb2.PACKAGE_STATE_FAILED)
        found: list[Sighting] = []
        while len(found) < limit:
            request.page_size = min(PAGE_SIZE, limit - len(found))
            page = _called(lambda: self._packages.ListPackages(request, timeout=TIMEOUT_S))
            found += map(_package, page.packages)
            request.page_token = page.next_page_token
            if not page.next_page_token:
                break
        return found

    def close(self) -> None:
        """See `Fleet.close`."""
        self._channel.close()

    def _all_devices(self) -> Iterator[device_pb2.Device]:
        request = device_service_pb2.ListDevicesRequest(page_size=PAGE_SIZE)
        while True:
            page = _called(lambda: self._devices.ListDevices(request, timeout=TIMEOUT_S))
            yield from page.devices
            request.page_token = page.next_page_token
            if not page.next_page_token:
                return


def _device(device: device_pb2.Device) -> Sighting:
    name = device.display_name
    return Sighting(
        key=device.device_id,
        device_id=device.device_id,
        moment=device.last_contact_time.ToDatetime(tzinfo=UTC),
        detail=f"Its name is {name}." if name and name != device.device_id else "",
    )


def _package(package: package_pb2.Package) -> Sighting:
    failed = [step for step in package.steps if step.state == package_pb2.STEP_STATE_FAILED]
    kinds = [package_pb2.EntryKind.Name(step.kind).removeprefix("ENTRY_KIND_") for step in failed]
    reasons = [f"{kind}: {step.error}." for kind, step in zip(kinds, failed, strict=True)]
    if package.error_reason:
        reasons.insert(0, f"{package.error_reason}: {package.error}.")
    return Sighting(
        key=package.descriptor.package_id,
        device_id=package.descriptor.device_id,
        moment=package.receive_time.ToDatetime(tzinfo=UTC),
        detail=" ".join([*reasons, f"Package {package.descriptor.package_id}."]),
    )


def _called(call: Callable[[], Answer]) -> Answer:
    try:
        return call()
    except grpc.RpcError as error:
        raise UnavailableError(
            "INGESTION_UNAVAILABLE",
            f"the ingestion service answered {facts_of(error).code.name}",
            retry_after_s=RETRY_AFTER_S,
        ) from error
