"""The device registry: who devices are, how they do, what waits for them."""

from collections.abc import Mapping

from tinysphere.domain.clock import Clock
from tinysphere.domain.devices import Device, DeviceEdit, DeviceProfile, Heartbeat, WaitingWork
from tinysphere.errors import NotFoundError
from tinysphere.storage.ports.devices import DeviceStore, HeartbeatAnswer


class DeviceRegistry:
    """Use cases of DeviceService."""

    def __init__(self, store: DeviceStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def register(self, profile: DeviceProfile) -> Device:
        """Create or update a device."""
        return self._store.register(profile, self._clock.now())

    def record_heartbeat(self, heartbeat: Heartbeat) -> HeartbeatAnswer:
        """Take a device's counters and status.

        Raises:
            NotFoundError: DEVICE_NOT_FOUND.
        """
        answer = self._store.record_heartbeat(heartbeat, self._clock.now())
        if answer is None:
            raise _unknown(heartbeat.device_id)
        return answer

    def get(self, device_id: str) -> Device:
        """One device.

        Raises:
            NotFoundError: DEVICE_NOT_FOUND.
        """
        return _known(device_id, self._store.get(device_id))

    def edit(self, edit: DeviceEdit) -> Device:
        """Change a device's mode, name or labels.

        Raises:
            NotFoundError: DEVICE_NOT_FOUND.
        """
        return _known(edit.device_id, self._store.edit(edit))

    def page(self, labels: Mapping[str, str], *, after: str | None, limit: int) -> list[Device]:
        """Devices that carry all ``labels``, by id."""
        return self._store.page(labels, after=after, limit=limit)

    def announce(self, waiting_work: Mapping[str, WaitingWork]) -> list[str]:
        """Raise marks; returns the ids that are unknown, sorted."""
        return self._store.announce(waiting_work)


def _known(device_id: str, device: Device | None) -> Device:
    if device is None:
        raise _unknown(device_id)
    return device


def _unknown(device_id: str) -> NotFoundError:
    return NotFoundError("DEVICE_NOT_FOUND", f"device {device_id} is unknown; register it first")
