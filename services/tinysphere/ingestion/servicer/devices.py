"""DeviceService."""

import grpc
from google.protobuf.duration_pb2 import Duration

from tinymlops.v1 import device_pb2, device_service_pb2, device_service_pb2_grpc
from tinysphere.domain.clock import Clock
from tinysphere.ingestion.convert.devices import (
    device_message,
    read_edit,
    read_heartbeat,
    read_profile,
    read_waiting_work,
    waiting_work_message,
)
from tinysphere.ingestion.devices import DeviceRegistry
from tinysphere.rpc.checks import require_device_id, require_labels
from tinysphere.rpc.nouns import enum_number, to_timestamp
from tinysphere.rpc.paging import next_token, read_page


class DeviceServicer(device_service_pb2_grpc.DeviceServiceServicer):
    """See device_service.proto."""

    def __init__(self, registry: DeviceRegistry, clock: Clock, *, heartbeat_interval_s: float) -> None:
        self._registry = registry
        self._clock = clock
        self._interval = Duration()
        self._interval.FromMilliseconds(round(heartbeat_interval_s * 1000))

    def RegisterDevice(
        self, request: device_service_pb2.RegisterDeviceRequest, context: grpc.ServicerContext
    ) -> device_service_pb2.RegisterDeviceResponse:
        """Create or update a device."""
        device = self._registry.register(read_profile(request.device))
        now = self._clock.now()
        return device_service_pb2.RegisterDeviceResponse(
            device=device_message(device, now), server_time=to_timestamp(now)
        )

    def Heartbeat(
        self, request: device_service_pb2.HeartbeatRequest, context: grpc.ServicerContext
    ) -> device_service_pb2.HeartbeatResponse:
        """Take counters and status, say what waits."""
        answer = self._registry.record_heartbeat(read_heartbeat(request))
        return device_service_pb2.HeartbeatResponse(
            server_time=to_timestamp(self._clock.now()),
            heartbeat_interval=self._interval,
            waiting_work=waiting_work_message(answer.waiting_work),
            mode=enum_number(answer.mode, device_pb2.Mode),
        )

    def GetDevice(
        self, request: device_service_pb2.GetDeviceRequest, context: grpc.ServicerContext
    ) -> device_service_pb2.GetDeviceResponse:
        """One device."""
        device = self._registry.get(require_device_id("device_id", request.device_id))
        return device_service_pb2.GetDeviceResponse(device=device_message(device, self._clock.now()))

    def ListDevices(
        self, request: device_service_pb2.ListDevicesRequest, context: grpc.ServicerContext
    ) -> device_service_pb2.ListDevicesResponse:
        """Devices by id."""
        labels = require_labels("labels", request.labels)
        filters = repr(sorted(labels.items()))
        page = read_page(request.page_size, request.page_token, filters=filters, key=(str,))
        after = str(page.after[0]) if page.after else None
        found = self._registry.page(labels, after=after, limit=page.size + 1)
        shown, now = found[: page.size], self._clock.now()
        more = len(found) > page.size
        return device_service_pb2.ListDevicesResponse(
            devices=[device_message(device, now) for device in shown],
            next_page_token=next_token((shown[-1].profile.device_id,), filters) if more else "",
        )

    def UpdateDevice(
        self, request: device_service_pb2.UpdateDeviceRequest, context: grpc.ServicerContext
    ) -> device_service_pb2.UpdateDeviceResponse:
        """Change what people decide."""
        device = self._registry.edit(read_edit(request))
        return device_service_pb2.UpdateDeviceResponse(device=device_message(device, self._clock.now()))

    def AnnounceWork(
        self, request: device_service_pb2.AnnounceWorkRequest, context: grpc.ServicerContext
    ) -> device_service_pb2.AnnounceWorkResponse:
        """Raise marks."""
        unknown = self._registry.announce(read_waiting_work(request))
        return device_service_pb2.AnnounceWorkResponse(unknown_device_ids=unknown)
