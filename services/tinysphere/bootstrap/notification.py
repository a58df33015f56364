"""Wires the notification service, which the drift process serves."""

import random
from datetime import timedelta

from tinysphere.bootstrap import Background, Built
from tinysphere.domain.clock import Clock
from tinysphere.domain.ids import new_id
from tinysphere.jobs.periodic import Periodic
from tinysphere.notification.apprise_channels import AppriseChannels
from tinysphere.notification.client import IngestionClient
from tinysphere.notification.convert import MAX_REPEAT_INTERVAL
from tinysphere.notification.courier import Courier
from tinysphere.notification.rules import Rules
from tinysphere.notification.sender import Patience
from tinysphere.notification.servicer import NotificationServicer
from tinysphere.notification.watch import Fleet, Watch
from tinysphere.rpc.server import Registration
from tinysphere.settings import Settings
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.notification_sightings import SqlSightingStore
from tinysphere.storage.sql.notifications import SqlNotificationStore

SWEEP_INTERVAL_S = 3600.0
STOP_TIMEOUT_S = 3.0


class _Watching:
    """Looks again and again, and closes the connection at the end."""

    def __init__(self, watch: Watch, fleet: Fleet, interval_s: float) -> None:
        self._fleet = fleet
        self._thread = Periodic(
            "notification-watch", watch.look, interval_s=interval_s, stop_timeout_s=STOP_TIMEOUT_S
        )

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._thread.stop()
        self._fleet.close()


def build(settings: Settings, database: Database, *, clock: Clock) -> Built:
    """Wire the service. Nothing runs yet."""
    store = SqlNotificationStore(database)
    channels = AppriseChannels(settings.notification_schemas)
    courier = Courier(store, channels, clock, patience=Patience(), draw=random.random)
    servicer = NotificationServicer(Rules(store, channels, clock, new_id), courier, store, clock)
    fleet = IngestionClient(settings.ingestion_target)
    watch = Watch(fleet, SqlSightingStore(database), clock)

    def sweep() -> None:
        now = clock.now()
        store.forget(
            ended_before=now - timedelta(seconds=settings.notification_retention_s),
            kept_count=settings.notification_log_max,
            repeats_before=now - MAX_REPEAT_INTERVAL,
        )

    background: list[Background] = [
        courier,
        _Watching(watch, fleet, settings.notification_poll_s),
        Periodic("notification-sweeper", sweep, interval_s=SWEEP_INTERVAL_S),
    ]
    registration = Registration("tinymlops.v1.NotificationService", servicer)
    return Built(registrations=[registration], background=background)
