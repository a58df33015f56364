"""The drift service over each database, called through real gRPC."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from tests.tinysphere.drift.builders import HandClock
from tinymlops.v1 import drift_service_pb2_grpc, feedback_service_pb2_grpc
from tinysphere.bootstrap.drift import build
from tinysphere.rpc.server import RpcServer
from tinysphere.settings import Settings
from tinysphere.storage.blobs_files import FileBlobs
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.drift import SqlDriftStore


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/drift.db"
    url: str = request.getfixturevalue("postgres_server").create_database()
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A migrated database of each kind."""
    database = Database(database_url)
    database.migrate()
    yield database
    database.dispose()


@pytest.fixture
def store(database: Database) -> SqlDriftStore:
    return SqlDriftStore(database)


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """The service from outside, and what it stands on."""

    drift: drift_service_pb2_grpc.DriftServiceStub
    feedback: feedback_service_pb2_grpc.FeedbackServiceStub
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
        channel=channel,
        store=SqlDriftStore(database),
        blobs=blobs,
    )
    channel.close()
    server.stop(grace_s=1)
    for background in built.background:
        background.stop()
