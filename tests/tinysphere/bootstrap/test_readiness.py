"""A server lives while its stores are away, says that it is not ready, and is ready again by itself."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.support.postgresql import PostgresServer, connect
from tinymlops.v1 import feedback_service_pb2_grpc
from tinysphere.bootstrap.readiness import Readiness
from tinysphere.rpc.server import LIVENESS, Registration, RpcServer
from tinysphere.settings import Settings
from tinysphere.storage.blobs_files import FileBlobs
from tinysphere.storage.sql.database import Database

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE = "tinymlops.v1.FeedbackService"


@dataclass(frozen=True, slots=True)
class World:
    readiness: Readiness
    health: health_pb2_grpc.HealthStub
    blobs: Path
    url: str

    def statuses(self) -> list[int]:
        """Of the server, one of its services, and the process."""
        self.readiness.check()
        requests = [health_pb2.HealthCheckRequest(service=name) for name in ("", SERVICE, LIVENESS)]
        return [self.health.Check(request).status for request in requests]


class Quiet(feedback_service_pb2_grpc.FeedbackServiceServicer):
    """A servicer that no test calls."""

    def FetchFeedback(self, request: object, context: object) -> NoReturn:
        raise NotImplementedError

    AcknowledgeFeedback = FetchFeedback


@pytest.fixture
def world(postgres_server: PostgresServer, tmp_path: Path) -> Iterator[World]:
    url = postgres_server.create_database()
    database, blobs = Database(url), FileBlobs(tmp_path / "blobs")
    server = RpcServer("127.0.0.1:0", [Registration(SERVICE, Quiet())], settings=Settings(rpc_threads=4))
    port = server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        yield World(Readiness([server], database, blobs), stub, tmp_path / "blobs", url)
    server.stop(1)
    database.dispose()


def test_a_blob_store_that_is_away(world: World) -> None:
    assert world.statuses() == [SERVING, SERVING, SERVING]
    world.blobs.rename(world.blobs.with_name("elsewhere"))
    assert world.statuses() == [NOT_SERVING, NOT_SERVING, SERVING]
    world.blobs.with_name("elsewhere").rename(world.blobs)
    assert world.statuses() == [SERVING, SERVING, SERVING]


def test_a_database_that_is_away(
    world: World, postgres_server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    assert world.statuses() == [SERVING, SERVING, SERVING]
    name = world.url.rpartition("/")[2]
    with closing(connect(postgres_server.port)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            cursor.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
            assert world.statuses() == [NOT_SERVING, NOT_SERVING, SERVING]
            assert world.statuses() == [NOT_SERVING, NOT_SERVING, SERVING]
            cursor.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert world.statuses() == [SERVING, SERVING, SERVING]
    told = [record.message for record in caplog.records if "ready" in record.message]
    assert told == ["not ready: the database is away or busy", "ready again"], "each change once"
