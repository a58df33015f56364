"""The registry of devices as distribution sees it, in memory: the same port, and it counts what was asked."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tests.tinysphere.distribution.builders import START
from tinysphere.distribution.devices import TargetDevice
from tinysphere.errors import NotFoundError, UnavailableError


class Fleet:
    """Devices with labels, two a page.

    ``away`` makes every call fail as an unreachable service does; ``meanwhile`` happens while devices are listed.
    """

    def __init__(self) -> None:
        self.devices: dict[str, TargetDevice] = {}
        self.marks: dict[str, int] = {}
        self.asked: Counter[str] = Counter()
        self.away = False
        self.meanwhile: Callable[[], object] = lambda: None

    def add(self, *device_ids: str, **labels: str) -> None:
        for device_id in device_ids:
            self.devices[device_id] = TargetDevice(
                device_id=device_id, labels=labels, last_contact_time=START
            )

    def change(self, device_id: str, **facts: Any) -> None:
        self.devices[device_id] = replace(self.devices[device_id], **facts)

    def device(self, device_id: str) -> TargetDevice:
        self._asked("device")
        if device_id not in self.devices:
            raise NotFoundError("DEVICE_NOT_FOUND", device_id)
        return self.devices[device_id]

    def pages(self, target_labels: Mapping[str, str]) -> Iterator[Sequence[TargetDevice]]:
        self._asked("pages")
        meant = [self.devices[key] for key in sorted(self.devices)]
        meant = [one for one in meant if target_labels.items() <= one.labels.items()]
        for start in range(0, len(meant), 2):
            yield meant[start : start + 2]
        self.meanwhile()

    def announce(self, device_ids: Collection[str], update_mark: int) -> None:
        self._asked("announce")
        for device_id in device_ids:
            if device_id in self.devices:
                self.marks[device_id] = max(update_mark, self.marks.get(device_id, 0))

    def _asked(self, what: str) -> None:
        self.asked[what] += 1
        if self.away:
            raise UnavailableError("DEVICES_UNAVAILABLE", "away", retry_after_s=1)
