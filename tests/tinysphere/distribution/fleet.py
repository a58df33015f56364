"""The registry of devices as distribution sees it, in memory: the same port, and it counts what was asked."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping

from tinysphere.errors import NotFoundError, UnavailableError


class Fleet:
    """Devices with labels, two a page.

    ``away`` makes every call fail as an unreachable service does; ``meanwhile`` happens while devices are listed.
    """

    def __init__(self) -> None:
        self.devices: dict[str, dict[str, str]] = {}
        self.marks: dict[str, int] = {}
        self.asked: Counter[str] = Counter()
        self.away = False
        self.meanwhile: Callable[[], object] = lambda: None

    def add(self, *device_ids: str, **labels: str) -> None:
        for device_id in device_ids:
            self.devices[device_id] = labels

    def labels(self, device_id: str) -> Mapping[str, str]:
        self._asked("labels")
        if device_id not in self.devices:
            raise NotFoundError("DEVICE_NOT_FOUND", device_id)
        return dict(self.devices[device_id])

    def pages(self, target_labels: Mapping[str, str]) -> Iterator[Mapping[str, Mapping[str, str]]]:
        self._asked("pages")
        meant = sorted(key for key, own in self.devices.items() if target_labels.items() <= own.items())
        for start in range(0, len(meant), 2):
            yield {device_id: dict(self.devices[device_id]) for device_id in meant[start : start + 2]}
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
