"""What the ingestion service holds becomes word for people: devices that went offline, packages that failed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from tests.support.postgresql import free_port
from tests.tinysphere.ingestion.builders import DEVICE_ID, LOGS, delimited, describe, log_record, packed
from tests.tinysphere.ingestion.conftest import Ingestion, Serve
from tests.tinysphere.notification.builders import START
from tests.tinysphere.notification.conftest import MovedClock
from tinysphere.domain.notifications import Notice, NotificationTopic, Sighting
from tinysphere.errors import UnavailableError
from tinysphere.notification.client import IngestionClient
from tinysphere.notification.watch import FAILED_PACKAGES_MAX, Watch
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.notification_sightings import SqlSightingStore
from tinysphere.storage.sql.notifications import SqlNotificationStore

BAD = [("l.pb", LOGS, delimited([log_record(level="LOUD")]))]


def told(database: Database) -> Sequence[Notice]:
    """Take what was left for people."""
    with SqlNotificationStore(database).planning() as transaction:
        return transaction.take_notices(100)


@dataclass(slots=True)
class StillFleet:
    """An ingestion service in memory; `away` makes it unreachable."""

    offline: Sequence[Sighting] = ()
    failed: Sequence[Sighting] = ()
    away: bool = False

    def offline_devices(self) -> Sequence[Sighting]:
        if self.away:
            raise UnavailableError("INGESTION_UNAVAILABLE", "away", retry_after_s=1)
        return self.offline

    def failed_packages(self, limit: int) -> Sequence[Sighting]:
        return self.failed[:limit]

    def close(self) -> None:
        pass


def sighting(number: int) -> Sighting:
    moment = START + timedelta(seconds=number)
    return Sighting(key=f"thing-{number}", device_id="camera-1", moment=moment, detail="")


def test_the_real_service_is_watched(serve: Serve) -> None:
    address = f"127.0.0.1:{free_port()}"
    service = serve(ingestion_address=address)
    service.register()
    client = IngestionClient(address)
    watch = Watch(client, SqlSightingStore(service.database), service.clock)
    watch.look()
    ended = service.ended(service.put(*packed(BAD)).descriptor.package_id)
    corrupt = service.ended(service.put(describe(b"no archive"), b"no archive").descriptor.package_id)
    watch.look()
    watch.look()  # tells nothing twice
    first, second = sorted(told(service.database), key=lambda notice: notice.subject)
    assert {first.topic, second.topic} == {NotificationTopic.PACKAGE_FAILED}
    assert [first.subject, second.subject] == [ended.descriptor.package_id, corrupt.descriptor.package_id]
    assert first.title == f"A package of device {DEVICE_ID} failed"
    assert "LOGS: " in first.body
    assert "ARCHIVE_CORRUPT" in second.body
    _goes_offline_and_comes_back(service, watch)
    client.close()


def _goes_offline_and_comes_back(service: Ingestion, watch: Watch) -> None:
    service.clock.shift = timedelta(hours=1, seconds=5)
    for _ in range(2):
        watch.look()
    (gone,) = told(service.database)
    assert (gone.topic, gone.subject) == (NotificationTopic.DEVICE_OFFLINE, DEVICE_ID)
    assert (gone.title, gone.severity, gone.type) == (f"Device {DEVICE_ID} is offline", None, None)
    service.register()
    watch.look()
    service.clock.shift = timedelta(hours=3)
    watch.look()
    assert [notice.subject for notice in told(service.database)] == [DEVICE_ID]


@pytest.fixture
def database(migrated_url: str) -> Database:
    return Database(migrated_url)


def test_the_first_look_tells_nothing_and_an_outage_loses_nothing(database: Database) -> None:
    store, clock = SqlSightingStore(database), MovedClock()
    fleet = StillFleet(offline=[sighting(1)])
    Watch(fleet, store, clock).look()
    assert told(database) == []
    fleet.away = True
    fleet.offline = [sighting(1), sighting(2)]
    with pytest.raises(UnavailableError):
        Watch(fleet, store, clock).look()
    fleet.away = False
    Watch(fleet, store, clock).look()  # after a restart, too
    assert [notice.subject for notice in told(database)] == ["thing-2"]
    # It came back and went again while nobody looked: another last contact.
    fleet.offline = [replace(sighting(1), moment=START + timedelta(days=1)), sighting(2)]
    Watch(fleet, store, clock).look()
    assert [notice.subject for notice in told(database)] == ["thing-1"]
    database.dispose()


def test_only_the_newest_failed_packages_are_known(database: Database) -> None:
    store, clock = SqlSightingStore(database), MovedClock()
    fleet = StillFleet()
    watch = Watch(fleet, store, clock)
    watch.look()
    every = [sighting(number) for number in reversed(range(FAILED_PACKAGES_MAX + 50))]
    fleet.failed = every
    watch.look()
    while told(database):
        pass
    known = store.known(NotificationTopic.PACKAGE_FAILED)
    assert len(known) == FAILED_PACKAGES_MAX
    fleet.failed = every[100:]  # the newest are mended: older ones come into sight, and are not told
    watch.look()
    assert told(database) == []
    fleet.failed = [sighting(5000), *every[100:]]
    watch.look()
    assert [notice.subject for notice in told(database)] == ["thing-5000"]
    database.dispose()
