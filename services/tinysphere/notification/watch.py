"""Sees what other services do not tell by themselves: devices that went offline, packages that failed."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

from tinysphere.domain.clock import Clock
from tinysphere.domain.notifications import Notice, NotificationTopic, Sighting
from tinysphere.storage.ports.notifications import SightingStore

FAILED_PACKAGES_MAX = 1000  # looked at, the newest

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Fleet(Protocol):
    """The ingestion service. Every method raises UnavailableError while it is away."""

    def offline_devices(self) -> Sequence[Sighting]:
        """Devices that were not heard of for an hour; the moment is their last contact."""

    def failed_packages(self, limit: int) -> Sequence[Sighting]:
        """The newest failed packages, newest first; the moment is their receipt."""

    def close(self) -> None:
        """Ends the connection."""


class Watch:
    """What the first look finds was so before anybody asked, and is not told."""

    def __init__(self, fleet: Fleet, store: SightingStore, clock: Clock) -> None:
        self._fleet = fleet
        self._store = store
        self._clock = clock

    def look(self) -> None:
        """Leaves word of what is new since the look before.

        Raises:
            UnavailableError: The ingestion service is away.
        """
        self._compare(NotificationTopic.DEVICE_OFFLINE, self._fleet.offline_devices(), _EPOCH)
        failed = self._fleet.failed_packages(FAILED_PACKAGES_MAX)
        # Beyond the newest thousand nothing is known, so nothing is told from there, also when fewer are failed later.
        everything = len(failed) < FAILED_PACKAGES_MAX
        self._compare(NotificationTopic.PACKAGE_FAILED, failed, _EPOCH if everything else failed[-1].moment)

    def _compare(self, topic: NotificationTopic, seen: Sequence[Sighting], lowest: datetime) -> None:
        before = self._store.floor(topic)
        floor = max(before or lowest, lowest)
        known = self._store.known(topic)
        new = [entry for entry in seen if entry.moment >= floor and known.get(entry.key) != entry.moment]
        gone = known.keys() - {entry.key for entry in seen}
        if new or gone or floor != before:
            notices = [self._notice(topic, entry) for entry in new] if before else []
            self._store.record(topic, new, gone=gone, notices=notices, floor=floor)

    def _notice(self, topic: NotificationTopic, entry: Sighting) -> Notice:
        title, moment = _WORDS[topic]
        return Notice(
            topic=topic,
            subject=entry.key,
            repeat_key=entry.key,
            device_id=entry.device_id,
            title=title.format(entry),
            body=f"{moment} {entry.moment:%Y-%m-%d %H:%M:%S}Z. {entry.detail}".strip(),
            notice_time=self._clock.now(),
        )


_WORDS = {
    NotificationTopic.DEVICE_OFFLINE: ("Device {0.device_id} is offline", "Last contact:"),
    NotificationTopic.PACKAGE_FAILED: ("A package of device {0.device_id} failed", "Received:"),
}
