"""The drift service's client of DeviceService, which the ingestion process serves."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import TypeVar

import grpc

from tinymlops.v1 import device_service_pb2, device_service_pb2_grpc
from tinysphere.errors import UnavailableError
from tinysphere.rpc.channels import open_channel
from tinysphere.rpc.errors import facts_of

TIMEOUT_S = 10.0
RETRY_AFTER_S = 1.0
PAGE_SIZE = 500

Answer = TypeVar("Answer")


class DeviceRegistryClient:
    """See `tinysphere.drift.announcer.DeviceRegistry` and `Fleet`. Connects with the first call."""

    def __init__(self, target: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self._channel = open_channel(target)
        self._stub = device_service_pb2_grpc.DeviceServiceStub(self._channel)
        self._timeout_s = timeout_s

    def announce_feedback(self, marks: Mapping[str, int]) -> Collection[str]:
        """See `DeviceRegistry.announce_feedback`."""
        waiting = {key: device_service_pb2.WaitingWork(feedback_mark=mark) for key, mark in marks.items()}
        request = device_service_pb2.AnnounceWorkRequest(waiting_work=waiting)
        response = _called(lambda: self._stub.AnnounceWork(request, timeout=self._timeout_s))
        return list(response.unknown_device_ids)

    def running_counts(self) -> Mapping[str, int]:
        """See `tinysphere.drift.scoping.fleet.Fleet.running_counts`."""
        counts: Counter[str] = Counter()
        request = device_service_pb2.ListDevicesRequest(page_size=PAGE_SIZE)
        while True:
            page = _called(lambda: self._stub.ListDevices(request, timeout=self._timeout_s))
            running = (device.status.running_model.bundle_sha256 for device in page.devices)
            counts.update(bundle_sha256 for bundle_sha256 in running if bundle_sha256)
            if not page.next_page_token:
                return counts
            request.page_token = page.next_page_token

    def close(self) -> None:
        """See `DeviceRegistry.close`."""
        self._channel.close()


def _called(call: Callable[[], Answer]) -> Answer:
    try:
        return call()
    except grpc.RpcError as error:
        facts = facts_of(error)
        raise UnavailableError(
            "REGISTRY_UNAVAILABLE",
            f"the device registry answered {facts.code.name} {facts.reason}: {facts.message}",
            retry_after_s=RETRY_AFTER_S,
        ) from error
