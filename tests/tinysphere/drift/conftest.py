"""The drift service over each database, called through real gRPC."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
import sqlalchemy as sa

from tests.support.postgresql import PostgresServer
from tests.tinysphere.drift.builders import HandClock
from tinymlops.v1 import (
    adaptation_service_pb2_grpc,
    drift_service_pb2_grpc,
    feedback_service_pb2_grpc,
    review_service_pb2_grpc,
    sample_group_service_pb2_grpc,
)
from tinysphere.bootstrap.drift import build
from tinysphere.drift.grouping.grouper import Grouper
from tinysphere.rpc.server import RpcServer
from tinysphere.settings import Settings
from tinysphere.storage.blobs_files import FileBlobs
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.drift import SqlDriftStore
from tinysphere.storage.sql.sample_groups import SqlSampleGroupStore

TABLES = (
    "adaptations",
    "audit_records",
    "drift_event_progress",
    "drift_event_transitions",
    "drift_events",
    "feature_spaces",
    "feedback_backlogs",
    "feedback_items",
    "feedback_sequences",
    "label_aliases",
    "labels",
    "queue_entries",
    "queue_sizes",
    "review_settings",
    "sample_group_devices",
    "sample_group_events",
    "sample_group_spaces",
    "sample_group_verdicts",
    "sample_groups",
    "sample_leases",
    "sample_skips",
    "samples",
    "verdicts",
)


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file to copy: migrating for every test would take most of the time."""
    path = tmp_path_factory.mktemp("drift") / "migrated.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def migrated_postgres_url(postgres_server: PostgresServer) -> str:
    url = postgres_server.create_database()
    migrate(url)
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A migrated, empty database of each kind."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_sqlite"), tmp_path / "drift.db")
        yield f"sqlite:///{tmp_path}/drift.db"
        return
    url: str = request.getfixturevalue("migrated_postgres_url")
    yield url
    empty(url)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.dispose()


def migrate(url: str) -> None:
    database = Database(url)
    database.migrate()
    database.dispose()


def empty(url: str) -> None:
    """Takes every row out of the drift service's tables, which do not refer to others."""
    database = Database(url)
    with database.transaction() as connection:
        connection.execute(sa.text(f"TRUNCATE {', '.join(TABLES)} RESTART IDENTITY CASCADE"))
    database.dispose()


@pytest.fixture
def store(database: Database) -> SqlDriftStore:
    return SqlDriftStore(database)


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """The service from outside, and what it stands on."""

    drift: drift_service_pb2_grpc.DriftServiceStub
    feedback: feedback_service_pb2_grpc.FeedbackServiceStub
    adaptations: adaptation_service_pb2_grpc.AdaptationServiceStub
    groups: sample_group_service_pb2_grpc.SampleGroupServiceStub
    grouper: Grouper
    reviewing: review_service_pb2_grpc.ReviewServiceStub
    channel: grpc.Channel
    store: SqlDriftStore
    blobs: FileBlobs


@pytest.fixture
def called(database: Database, tmp_path: Path) -> Iterator[Called]:
    """The service on a free port; nobody listens where it would announce, and its announcer does not run."""
    settings = Settings(data_dir=tmp_path, ingestion_target="127.0.0.1:1", rpc_threads=8)
    blobs = FileBlobs(tmp_path / "blobs")
    built = build(settings, database, blobs, clock=HandClock())
    server = RpcServer("127.0.0.1:0", built.registrations, settings=settings)
    channel = grpc.insecure_channel(f"127.0.0.1:{server.start()}")
    yield Called(
        drift=drift_service_pb2_grpc.DriftServiceStub(channel),
        feedback=feedback_service_pb2_grpc.FeedbackServiceStub(channel),
        adaptations=adaptation_service_pb2_grpc.AdaptationServiceStub(channel),
        groups=sample_group_service_pb2_grpc.SampleGroupServiceStub(channel),
        grouper=Grouper(SqlSampleGroupStore(database), HandClock(), grouped=lambda: None),
        reviewing=review_service_pb2_grpc.ReviewServiceStub(channel),
        channel=channel,
        store=SqlDriftStore(database),
        blobs=blobs,
    )
    channel.close()
    server.stop(grace_s=1)
    for background in built.background:
        background.stop()
