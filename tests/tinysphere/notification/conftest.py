"""The notification service over each database, called through real gRPC, with real receivers."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import grpc
import pytest

from tests.support.receivers import (
    Mailbox,
    Trickle,
    Webhook,
    smtp_server,
    trickling_server,
    webhook_server,
)
from tests.tinysphere.ingestion.conftest import serve as serve
from tinymlops.v1 import notification_service_pb2_grpc
from tinysphere.domain.ids import new_id
from tinysphere.notification.apprise_channels import AppriseChannels
from tinysphere.notification.courier import Courier
from tinysphere.notification.rules import Rules
from tinysphere.notification.sender import Patience
from tinysphere.notification.servicer import NotificationServicer
from tinysphere.rpc.server import Registration, RpcServer
from tinysphere.settings import NOTIFICATION_SCHEMAS, Settings
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.notifications import SqlNotificationStore

QUICK = Patience(attempt_count=3, first_delay=timedelta(0), attempt=timedelta(seconds=20))


@dataclass(slots=True)
class MovedClock:
    """The machine's clock, moved."""

    ahead: timedelta = field(default_factory=timedelta)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def move(self, **parts: float) -> None:
        self.ahead += timedelta(**parts)

    def set(self, moment: datetime) -> None:
        self.ahead = moment - datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """The service from outside, and what it stands on."""

    stub: notification_service_pb2_grpc.NotificationServiceStub
    courier: Courier
    store: SqlNotificationStore
    database: Database
    clock: MovedClock


@pytest.fixture
def database(migrated_url: str) -> Iterator[Database]:
    database = Database(migrated_url)
    yield database
    database.dispose()


@pytest.fixture
def store(database: Database) -> SqlNotificationStore:
    return SqlNotificationStore(database)


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
def channels() -> AppriseChannels:
    return AppriseChannels(NOTIFICATION_SCHEMAS)


@pytest.fixture
def called(database: Database, clock: MovedClock, channels: AppriseChannels) -> Iterator[Called]:
    """The service on a free port, its courier running; failed attempts are repeated at once."""
    store = SqlNotificationStore(database)
    courier = Courier(store, channels, clock, patience=QUICK, draw=lambda: 1.0)
    servicer = NotificationServicer(Rules(store, channels, clock, new_id), courier, store, clock)
    registration = Registration("tinymlops.v1.NotificationService", servicer)
    server = RpcServer("127.0.0.1:0", [registration], settings=Settings(rpc_threads=8))
    channel = grpc.insecure_channel(f"127.0.0.1:{server.start()}")
    courier.start()
    yield Called(
        stub=notification_service_pb2_grpc.NotificationServiceStub(channel),
        courier=courier,
        store=store,
        database=database,
        clock=clock,
    )
    channel.close()
    server.stop(grace_s=1)
    courier.stop()


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with smtp_server() as mailbox:
        yield mailbox


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with webhook_server() as hook:
        yield hook


@pytest.fixture
def trickle() -> Iterator[Trickle]:
    with trickling_server() as trickle:
        yield trickle
