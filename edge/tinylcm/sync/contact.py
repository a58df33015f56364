"""Keeps the server's picture of the device up to date, and learns what waits."""

import logging
import random
from datetime import UTC, datetime
from typing import Any

from tinylcm.ports import Clock, Outbox
from tinylcm.records import Mode
from tinylcm.sync import convert
from tinylcm.sync.boots import BootCount, Boots
from tinylcm.sync.client import Servers
from tinylcm.sync.failures import CallError, calling
from tinylcm.sync.local import DeviceIdentity, DeviceReport, LocalDevice
from tinylcm.sync.remembered import REGISTERED, SKEW, registered_mode
from tinymlops.v1 import device_pb2
from tinymlops.v1 import device_service_pb2 as wire

_LOGGER = logging.getLogger(__name__)
_FIRST_INTERVAL_S = 30.0
_SHORTEST_S, _LONGEST_S = 0.2, 3600.0
_JITTER = 0.1


class Contact:
    """Registration and heartbeats of one boot.

    Attributes:
        is_known: Whether the server knows the device, as far as the device can tell.
        feedback_mark: Highest feedback mark heard of in this boot.
        update_mark: Highest update mark heard of in this boot.
        next_heartbeat_s: When the next heartbeat is due, on the monotonic clock.
    """

    def __init__(
        self,
        servers: Servers,
        identity: DeviceIdentity,
        device: LocalDevice,
        outbox: Outbox,
        *,
        boots: Boots,
        clock: Clock,
        rng: random.Random,
        timeout_s: float,
    ) -> None:
        self._stub = servers.devices
        self._identity = identity
        self._device = device
        self._outbox = outbox
        self._boots = boots
        self._clock = clock
        self._rng = rng
        self._timeout_s = timeout_s
        self._is_registered = False
        self.is_known = outbox.value(REGISTERED) is not None
        self.feedback_mark = 0
        self.update_mark = 0
        self.next_heartbeat_s = clock.monotonic_s()

    @property
    def mode(self) -> Mode:
        """The mode the device works in: the server's, or the configured one until it has said."""
        return registered_mode(self._outbox, self._identity.mode)

    def keep(self) -> None:
        """Registers once in a boot, and when a heartbeat is due sends one, and before it one for each boot unheard of.

        Raises:
            CallError: The server could not be reached or refused.
        """
        if not self._is_registered:
            self._register()
        if self._clock.monotonic_s() >= self.next_heartbeat_s:
            for boot in self._boots.earlier:
                self._tell_of(boot)
            self._heartbeat(self._boots.next_heartbeat())

    def forget_registration(self) -> None:
        """The server said that it does not know the device: register again, and tell it the mode again."""
        self._is_registered = False
        self.is_known = False

    def _register(self) -> None:
        message = _to_device(self._identity, self._mode_to_tell())
        with calling("RegisterDevice"):
            response = self._stub.RegisterDevice(
                wire.RegisterDeviceRequest(device=message), timeout=self._timeout_s
            )
        self._is_registered = self.is_known = True
        self._take_mode(response.device.mode)

    def _mode_to_tell(self) -> Any:
        """After the first time the server's mode counts: an operator may have changed it."""
        if self.is_known:
            return device_pb2.MODE_UNSPECIFIED
        return convert.to_mode(self.mode)

    def _tell_of(self, boot: BootCount) -> None:
        """Tells what an earlier boot counted; what the server can never take is not told again."""
        try:
            self._heartbeat(self._boots.next_heartbeat(boot))
        except CallError as error:
            if not error.is_refusal or error.reason == "DEVICE_NOT_FOUND":
                raise
            _LOGGER.error("what boot %s counted is given up: %s", boot.boot_id, error)
        self._boots.heard(boot.boot_id)

    def _heartbeat(self, boot: BootCount) -> None:
        try:
            with calling("Heartbeat"):
                response = self._stub.Heartbeat(self._request(boot), timeout=self._timeout_s)
        except CallError as error:
            if error.reason == "DEVICE_NOT_FOUND":
                self.forget_registration()
            raise
        self.feedback_mark = max(self.feedback_mark, response.waiting_work.feedback_mark)
        self.update_mark = max(self.update_mark, response.waiting_work.update_mark)
        self._take_mode(response.mode)
        self._plan(response.heartbeat_interval.ToTimedelta().total_seconds())
        self._outbox.set_value("last_contact_time", self._clock.now().isoformat())
        if response.HasField("server_time"):
            self._note_skew(response.server_time.ToDatetime(UTC))

    def _note_skew(self, server_time: datetime) -> None:
        skew = f"{(self._clock.now() - server_time).total_seconds():.0f}"
        if skew != self._outbox.value(SKEW):
            self._outbox.set_value(SKEW, skew)

    def _plan(self, interval_s: float) -> None:
        interval_s = min(max(interval_s or _FIRST_INTERVAL_S, _SHORTEST_S), _LONGEST_S)
        jitter = self._rng.uniform(1 - _JITTER, 1 + _JITTER)
        self.next_heartbeat_s = self._clock.monotonic_s() + interval_s * jitter

    def _take_mode(self, number: int) -> None:
        mode = convert.from_mode(number)
        if mode is None or mode.value == self._outbox.value(REGISTERED):
            return
        self._outbox.set_value(REGISTERED, mode.value)
        self._device.change_mode(mode)

    def _request(self, boot: BootCount) -> wire.HeartbeatRequest:
        return wire.HeartbeatRequest(
            device_id=self._identity.device_id,
            boot_id=boot.boot_id,
            sequence=boot.sequence,
            device_time=convert.to_timestamp(self._clock.now()),
            counters=device_pb2.DeviceCounters(**boot.counters),
            status=self._status(self._device.report()),
        )

    def _status(self, report: DeviceReport) -> device_pb2.DeviceStatus:
        totals = self._outbox.totals()
        return device_pb2.DeviceStatus(
            running_model=None if report.running_model is None else convert.to_model(report.running_model),
            drifting=report.drifting,
            quarantine_count=report.quarantine_count,
            outbox_count=totals.package_count,
            outbox_bytes=totals.size_bytes,
            latency_ms=report.latency_ms,
            memory_bytes=report.memory_bytes,
        )


def _to_device(identity: DeviceIdentity, mode: Any) -> device_pb2.Device:
    message = device_pb2.Device(
        device_id=identity.device_id,
        display_name=identity.display_name,
        labels=identity.labels,
        mode=mode,
        platform=device_pb2.Platform(
            machine=identity.machine[:64],
            operating_system=identity.operating_system[:128],
            python_version=identity.python_version[:32],
            runtime=identity.runtime[:64],
            tinylcm_version=identity.tinylcm_version[:32],
            memory_bytes=identity.memory_bytes,
        ),
    )
    if identity.location is not None:
        latitude_deg, longitude_deg = identity.location
        message.location.CopyFrom(device_pb2.Location(latitude_deg=latitude_deg, longitude_deg=longitude_deg))
    return message
