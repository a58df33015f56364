"""What distribution knows of devices: asked of the registry of devices, labels remembered for a short time."""

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from tinysphere.domain.clock import Clock
from tinysphere.errors import UnavailableError

Labels = Mapping[str, str]


class Devices(Protocol):
    """The registry of devices. Every method may raise UnavailableError, DEVICES_UNAVAILABLE."""

    def labels(self, device_id: str) -> Labels:
        """Labels of a device.

        Raises:
            NotFoundError: DEVICE_NOT_FOUND.
        """

    def pages(self, target_labels: Labels) -> Iterator[Mapping[str, Labels]]:
        """Devices that carry every one of ``target_labels``, page by page: labels by device id."""

    def announce(self, device_ids: Collection[str], update_mark: int) -> None:
        """Raise the update mark of devices; unknown ones are skipped."""


class DeviceDirectory:
    """Remembers labels for ``ttl``, of at most ``capacity`` devices.

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
        self._known: OrderedDict[str, tuple[datetime, Labels]] = OrderedDict()

    def labels(self, device_id: str) -> Labels:
        """See `Devices.labels`."""
        known = self._known.get(device_id)
        if known is not None and self._clock.now() - known[0] < self._ttl:
            return known[1]
        try:
            labels = self._devices.labels(device_id)
        except UnavailableError:
            if known is None:
                raise
            return known[1]
        self._remember({device_id: labels})
        return labels

    def pages(self, target_labels: Labels) -> Iterator[Mapping[str, Labels]]:
        """See `Devices.pages`. What it shows is remembered, so that a device told of work is matched anew."""
        for page in self._devices.pages(target_labels):
            self._remember(page)
            yield page

    def announce(self, device_ids: Collection[str], update_mark: int) -> None:
        """See `Devices.announce`."""
        self._devices.announce(device_ids, update_mark)

    def _remember(self, found: Mapping[str, Labels]) -> None:
        now = self._clock.now()
        with self._lock:
            for device_id, labels in found.items():
                self._known[device_id] = (now, labels)
                self._known.move_to_end(device_id)
            while len(self._known) > self._capacity:
                self._known.popitem(last=False)
