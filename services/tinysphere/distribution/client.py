"""Client of DeviceService, which the ingestion process serves."""

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC
from typing import TypeVar

import grpc

from tinymlops.v1 import device_pb2, device_service_pb2, device_service_pb2_grpc
from tinysphere.distribution.devices import Labels, TargetDevice
from tinysphere.errors import NotFoundError, UnavailableError
from tinysphere.rpc.channels import open_channel
from tinysphere.rpc.errors import facts_of

CALL_TIMEOUT_S = 5.0
LIST_TIMEOUT_S = 30.0
RETRY_AFTER_S = 2.0
PAGE_SIZE = 500

Answer = TypeVar("Answer")


class DeviceClient:
    """See `tinysphere.distribution.devices.Devices`."""

    def __init__(self, target: str) -> None:
        """Connect with the first call; ``target`` is "host:port"."""
        self._channel = open_channel(target)
        self._stub = device_service_pb2_grpc.DeviceServiceStub(self._channel)

    def close(self) -> None:
        """Close the channel; running calls end."""
        self._channel.close()

    def device(self, device_id: str) -> TargetDevice:
        """See `Devices.device`."""
        request = device_service_pb2.GetDeviceRequest(device_id=device_id)
        return _target(_called(lambda: self._stub.GetDevice(request, timeout=CALL_TIMEOUT_S)).device)

    def pages(self, target_labels: Labels) -> Iterator[Sequence[TargetDevice]]:
        """See `Devices.pages`."""
        token = ""
        while True:
            request = device_service_pb2.ListDevicesRequest(
                page_size=PAGE_SIZE, page_token=token, labels=target_labels
            )
            page = self._list(request)
            if page.devices:
                yield [_target(device) for device in page.devices]
            token = page.next_page_token
            if not token:
                return

    def announce(self, device_ids: Collection[str], update_mark: int) -> None:
        """See `Devices.announce`."""
        work = device_service_pb2.WaitingWork(update_mark=update_mark)
        request = device_service_pb2.AnnounceWorkRequest(waiting_work=dict.fromkeys(device_ids, work))
        _called(lambda: self._stub.AnnounceWork(request, timeout=CALL_TIMEOUT_S))

    def _list(self, request: device_service_pb2.ListDevicesRequest) -> device_service_pb2.ListDevicesResponse:
        return _called(lambda: self._stub.ListDevices(request, timeout=LIST_TIMEOUT_S))


def _target(device: device_pb2.Device) -> TargetDevice:
    running = device.status.running_model
    return TargetDevice(
        device_id=device.device_id,
        labels=dict(device.labels),
        last_contact_time=device.last_contact_time.ToDatetime(tzinfo=UTC),
        machine=device.platform.machine,
        running_model_name=running.model_name,
        running_bundle_sha256=running.bundle_sha256,
        is_offline=device.connectivity == device_pb2.CONNECTIVITY_OFFLINE,
    )


def _called(call: Callable[[], Answer]) -> Answer:
    try:
        return call()
    except grpc.RpcError as error:
        facts = facts_of(error)
        if facts.code is grpc.StatusCode.NOT_FOUND:
            raise NotFoundError(facts.reason or "DEVICE_NOT_FOUND", facts.message) from error
        raise UnavailableError(
            "DEVICES_UNAVAILABLE",
            f"the registry of devices does not answer ({facts.code.name})",
            retry_after_s=RETRY_AFTER_S,
        ) from error
