"""`kill -9` of the distribution service while a bundle is published: publishing again completes it, once."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import sleep

import grpc
import pytest

from tests.support.postgresql import free_port
from tests.tinysphere.distribution.builders import KEY, device_bundle, public_pem
from tests.tinysphere.distribution.called import publish_messages
from tinymlops.v1 import model_service_pb2, model_service_pb2_grpc
from tinysphere.storage.registry_mlflow import MlflowRegistry

KILL_COUNT = 5
LONGEST_LIFE_S = 0.5  # a publish takes about half of it, so kills fall before, into and after every step
CALL_TIMEOUT_S = 120
START_TIMEOUT_S = 60


class Server:
    """`tinysphere serve distribution` as a process of its own."""

    def __init__(self, data_dir: Path) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self._environment = os.environ | {
            "TINYSPHERE_DATA_DIR": str(data_dir),
            "TINYSPHERE_DISTRIBUTION_ADDRESS": self.address,
        }
        self._log = data_dir / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tinysphere", "serve", "distribution"],
                env=self._environment,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(START_TIMEOUT_S)
            self._process = None


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    (tmp_path / "trusted_keys").mkdir()
    (tmp_path / "trusted_keys" / "release.pem").write_bytes(public_pem(KEY))
    MlflowRegistry(f"sqlite:///{tmp_path}/mlflow.db", tmp_path).warm_up()
    return tmp_path


@pytest.fixture
def server(data_dir: Path) -> Iterator[Server]:
    server = Server(data_dir)
    yield server
    server.kill()


def test_a_killed_publish_is_completed_by_publishing_again(server: Server, data_dir: Path) -> None:
    rng = random.Random(2026)
    server.start()
    options = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 300)]
    with grpc.insecure_channel(server.address, options=options) as channel:
        models = model_service_pb2_grpc.ModelServiceStub(channel)
        nothing = model_service_pb2.ListModelsRequest()
        models.ListModels(nothing, timeout=START_TIMEOUT_S, wait_for_ready=True)
        for release_counter in range(1, KILL_COUNT + 1):
            messages = publish_messages(
                device_bundle(data_dir, release_counter=release_counter, padding_bytes=3_000_000)
            )
            call = models.PublishModelVersion.future(
                iter(messages), timeout=CALL_TIMEOUT_S, wait_for_ready=True
            )
            sleep(rng.uniform(0, LONGEST_LIFE_S))
            server.kill()
            with suppress(grpc.RpcError):
                call.result()
            server.start()
            published = models.PublishModelVersion(
                iter(messages), timeout=CALL_TIMEOUT_S, wait_for_ready=True
            )
            assert published.model_version.model.version == release_counter
            assert "candidate" in published.model_version.aliases
        listed = models.ListModelVersions(
            model_service_pb2.ListModelVersionsRequest(model_name="fashion"), timeout=CALL_TIMEOUT_S
        )
    assert [one.model.version for one in listed.model_versions] == list(range(KILL_COUNT, 0, -1))
    assert list((data_dir / "publishing").iterdir()) == []
