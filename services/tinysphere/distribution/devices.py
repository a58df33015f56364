"""What distribution knows of devices: asked of the registry of devices, labels remembered for a short time."""

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from tinysphere.domain.clock import Clock
from tinysphere.errors import UnavailableError

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetDevice:
    """What rollouts choose devices by, as the registry last heard it.

    Attributes:
        machine: Architecture, as ``uname -m`` prints it.
        running_model_name: Empty, as ``running_bundle_sha256``, while it runs none.
        is_offline: Whether the registry calls it offline.
    """

    device_id: str
    labels: Labels
    last_contact_time: datetime
    machine: str = ""
    running_model_name: str = ""
    running_bundle_sha256: str = ""
    is_offline: bool = False


class Devices(Protocol):
    """The registry of devices. Every method may raise UnavailableError, DEVICES_UNAVAILABLE."""

    def device(self, device_id: str) -> TargetDevice:
        """One device.

        Raises:
            NotFoundError: DEVICE_NOT_FOUND.
        """

    def pages(self, target_labels: Labels) -> Iterator[Sequence[TargetDevice]]:
        """Devices that carry every one of ``target_labels``, page by page."""

    def announce(self, device_ids: Collection[str], update_mark: int) -> None:
        """Raise the update mark of devices; unknown ones are skipped."""


class DeviceDirectory:
    """Remembers devices for ``ttl``, at most ``capacity`` of them.

    Older ones still serve while the registry is away: an update reaches devices although ingestion is down.
    """

    def __init__(
        self,
        devices: Devices,
        *,
        clock: Clock,
        ttl: timedelta = timedelta(seconds=30),
        capacity: int = 10_000,
    ) -> None:
        self._devices = devices
        self._clock = clock
        self._ttl = ttl
        self._capacity = capacity
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[datetime, TargetDevice]] = OrderedDict()

    def device(self, device_id: str) -> TargetDevice:
        """See `Devices.device`."""
        known = self._known.get(device_id)
        if known is not None and self._clock.now() - known[0] < self._ttl:
            return known[1]
        try:
            device = self._devices.device(device_id)
        except UnavailableError:
            if known is None:
                raise
            return known[1]
        self._remember([device])
        return device

    def pages(self, target_labels: Labels) -> Iterator[Sequence[TargetDevice]]:
        """See `Devices.pages`. What it shows is remembered, so that a device told of work is matched anew."""
        for page in self._devices.pages(target_labels):
            self._remember(page)
            yield page

    def announce(self, device_ids: Collection[str], update_mark: int) -> None:
        """See `Devices.announce`."""
        self._devices.announce(device_ids, update_mark)

    def _remember(self, found: Sequence[TargetDevice]) -> None:
        now = self._clock.now()
        with self._lock:
            for device in found:
                self._known[device.device_id] = (now, device)
                self._known.move_to_end(device.device_id)
            while len(self._known) > self._capacity:
                self._known.popitem(last=False)
