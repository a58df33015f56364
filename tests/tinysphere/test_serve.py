"""`tinysphere serve` and `tinysphere migrate` as an operator runs them."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from tests.support.server_process import ServerProcess
from tinysphere.bootstrap import SERVICES, Services
from tinysphere.settings import Settings

SERVED = {
    "ingestion": {
        "tinymlops.v1.DeviceService",
        "tinymlops.v1.IngestionService",
        "tinymlops.v1.TelemetryService",
    },
    "drift": {
        "tinymlops.v1.AdaptationService",
        "tinymlops.v1.DriftService",
        "tinymlops.v1.FeedbackService",
        "tinymlops.v1.NotificationService",
        "tinymlops.v1.ReviewService",
        "tinymlops.v1.SampleGroupService",
    },
    "distribution": {"tinymlops.v1.ModelService", "tinymlops.v1.RolloutService"},
}


def services_at(address: str) -> set[str]:
    """The contract's services that serve there, all of them healthy."""
    with grpc.insecure_channel(address) as channel:
        names = {
            name for name in ProtoReflectionDescriptorDatabase(channel).get_services() if "tinymlops" in name
        }
        health = health_pb2_grpc.HealthStub(channel)
        for name in names:
            answer = health.Check(health_pb2.HealthCheckRequest(service=name))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        return names


def tinysphere(*arguments: str, **settings: object) -> subprocess.CompletedProcess[str]:
    environment = {f"TINYSPHERE_{key.upper()}": str(value) for key, value in settings.items()}
    command = [sys.executable, "-m", "tinysphere", *arguments]
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_all_services_serve_in_one_process_until_told_to_stop(tmp_path: Path, number: signal.Signals) -> None:
    server = ServerProcess(tmp_path, "all", settings={})
    assert {name: services_at(address) for name, address in server.addresses.items()} == SERVED
    assert server.stop(number) == 0
    assert "Traceback" not in server.errors


def test_each_service_serves_in_its_own_process_over_one_database(tmp_path: Path) -> None:
    servers = [ServerProcess(tmp_path, name, settings={}) for name in SERVICES]
    for name, server in zip(SERVICES, servers, strict=True):
        assert services_at(server.addresses[name]) == SERVED[name]
    assert [server.stop() for server in servers] == [0, 0, 0]


def test_several_services_may_be_named(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, "drift", "ingestion", settings={})
    assert set(server.addresses) == {"drift", "ingestion"}
    assert server.stop() == 0


def test_addresses_are_loopback_unless_told_otherwise() -> None:
    settings = Settings()
    for name in SERVICES:
        assert getattr(settings, f"{name}_address").startswith("127.0.0.1:")


def test_unknown_services_are_refused(tmp_path: Path) -> None:
    result = tinysphere("serve", "everything", data_dir=tmp_path)
    assert result.returncode == 2
    assert "everything" in result.stderr
    with pytest.raises(ValueError, match="everything"):
        Services(Settings(data_dir=tmp_path), {"everything"})


def test_a_taken_port_is_told_in_one_line(tmp_path: Path) -> None:
    first = ServerProcess(tmp_path / "first", "drift", settings={})
    address = first.addresses["drift"]
    result = tinysphere("serve", "drift", data_dir=tmp_path / "second", drift_address=address)
    assert result.returncode == 1
    assert result.stderr.strip().splitlines()[-1].startswith("ADDRESS_UNAVAILABLE: ")
    assert "Traceback" not in result.stderr
    assert first.stop() == 0


def test_migrate_makes_the_schema_and_says_where(tmp_path: Path) -> None:
    for _ in range(2):
        result = tinysphere("migrate", data_dir=tmp_path)
        assert (result.returncode, result.stdout) == (0, f"migrated sqlite:///{tmp_path}/tinysphere.db\n")
    with sqlite3.connect(tmp_path / "tinysphere.db") as database:
        assert database.execute("SELECT count(*) FROM devices").fetchone() == (0,)
    database.close()


def test_settings_come_from_the_environment_and_follow_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINYSPHERE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("TINYSPHERE_DRIFT_ADDRESS", "127.0.0.1:9999")
    settings = Settings()
    assert settings.database_url == f"sqlite:///{tmp_path}/tinysphere.db"
    assert settings.blobs_url == f"file://{tmp_path}/blobs"
    assert settings.drift_target == "127.0.0.1:9999"
    assert settings.ingestion_target == "127.0.0.1:7101"
