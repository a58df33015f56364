"""The distribution service from outside: publishers, operators and devices as they call it."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import grpc

from tests.support.postgresql import free_port
from tests.tinysphere.distribution.builders import START, digest, uuid
from tinymlops.v1 import (
    device_pb2,
    device_service_pb2,
    device_service_pb2_grpc,
    model_pb2,
    model_service_pb2,
    model_service_pb2_grpc,
    rollout_pb2,
    rollout_service_pb2,
    rollout_service_pb2_grpc,
)
from tinysphere.bootstrap import Services
from tinysphere.settings import Settings

TIMEOUT_S = 60
PIECE_BYTES = 256 * 1024


class Called:
    """Services that can be started, stopped and started again over the same data."""

    def __init__(self, database_url: str, data_dir: Path, stack: ExitStack) -> None:
        self.settings = Settings(
            data_dir=data_dir,
            database_url=database_url,
            ingestion_address=f"127.0.0.1:{free_port()}",
            distribution_address=f"127.0.0.1:{free_port()}",
            rpc_threads=8,
        )
        self._running: dict[str, Services] = {}
        stack.callback(self._end)
        for name in ("ingestion", "distribution"):
            self.start(name)
        self.channel = stack.enter_context(grpc.insecure_channel(self.settings.distribution_address))
        devices = stack.enter_context(grpc.insecure_channel(self.settings.ingestion_address))
        self.models = model_service_pb2_grpc.ModelServiceStub(self.channel)
        self.rollouts = rollout_service_pb2_grpc.RolloutServiceStub(self.channel)
        self.devices = device_service_pb2_grpc.DeviceServiceStub(devices)
        self._heartbeats = 0

    def start(self, name: str) -> None:
        self._running[name] = Services(self.settings, {name})
        self._running[name].start()

    def stop(self, name: str) -> None:
        self._running.pop(name).stop()

    def _end(self) -> None:
        for name in list(self._running):
            self.stop(name)

    # ------------------------------------------------------------ publishers

    def publish(self, content: bytes, **changes: object) -> model_pb2.ModelVersion:
        messages = publish_messages(content, **changes)
        return self.models.PublishModelVersion(iter(messages), timeout=TIMEOUT_S).model_version

    def aliases(self, version: int) -> list[str]:
        request = model_service_pb2.GetModelVersionRequest(model_name="fashion", version=version)
        return list(self.models.GetModelVersion(request, timeout=TIMEOUT_S).model_version.aliases)

    def is_champion(self, version: int) -> bool:
        return "champion" in self.aliases(version)

    # ------------------------------------------------------------ operators

    def create(
        self,
        number: int,
        model: device_pb2.ModelReference,
        operator: str = "ada",
        *,
        target: rollout_pb2.RolloutTarget | None = None,
        strategy: rollout_pb2.RolloutStrategy | None = None,
        **labels: str,
    ) -> rollout_pb2.Rollout:
        wanted = rollout_pb2.Rollout(
            rollout_id=uuid(number),
            model=model,
            target_labels=labels,
            operator=operator,
            target=target,
            strategy=strategy,
        )
        request = rollout_service_pb2.CreateRolloutRequest(rollout=wanted)
        return self.rollouts.CreateRollout(request, timeout=TIMEOUT_S).rollout

    def begin(self, number: int, model: device_pb2.ModelReference, **labels: str) -> rollout_pb2.Rollout:
        self.create(number, model, **labels)
        request = rollout_service_pb2.StartRolloutRequest(rollout_id=uuid(number))
        return self.rollouts.StartRollout(request, timeout=TIMEOUT_S).rollout

    def abort(self, number: int) -> rollout_pb2.Rollout:
        request = rollout_service_pb2.AbortRolloutRequest(rollout_id=uuid(number))
        return self.rollouts.AbortRollout(request, timeout=TIMEOUT_S).rollout

    def rollout(self, number: int) -> rollout_pb2.Rollout:
        request = rollout_service_pb2.GetRolloutRequest(rollout_id=uuid(number))
        return self.rollouts.GetRollout(request, timeout=TIMEOUT_S).rollout

    # ------------------------------------------------------------ devices

    def register(self, *device_ids: str, **labels: str) -> None:
        for device_id in device_ids:
            device = device_pb2.Device(device_id=device_id, labels=labels)
            self.devices.RegisterDevice(
                device_service_pb2.RegisterDeviceRequest(device=device),
                timeout=TIMEOUT_S,
                wait_for_ready=True,
            )

    def update_mark(self, device_id: str) -> int:
        self._heartbeats += 1
        beat = device_service_pb2.HeartbeatRequest(
            device_id=device_id, boot_id=uuid(900), sequence=self._heartbeats
        )
        beat.device_time.FromDatetime(START)
        answer = self.devices.Heartbeat(beat, timeout=TIMEOUT_S)
        return int(answer.waiting_work.update_mark)

    def check(self, device_id: str, running: str = "") -> rollout_service_pb2.CheckUpdateResponse:
        request = rollout_service_pb2.CheckUpdateRequest(device_id=device_id)
        if running:
            request.running_model.bundle_sha256 = running
        return self.rollouts.CheckUpdate(request, timeout=TIMEOUT_S)

    def download(
        self, sha256: str, offset: int = 0
    ) -> Iterator[rollout_service_pb2.DownloadArtifactResponse]:
        request = rollout_service_pb2.DownloadArtifactRequest(sha256=sha256, offset=offset)
        answers: Iterator[rollout_service_pb2.DownloadArtifactResponse] = self.rollouts.DownloadArtifact(
            request, timeout=TIMEOUT_S
        )
        return answers

    def report(
        self, device_id: str, number: int, state: rollout_pb2.DeploymentState.ValueType, running: str = ""
    ) -> rollout_pb2.Deployment:
        deployment = rollout_pb2.Deployment(
            rollout_id=uuid(number), device_id=device_id, state=state, running_bundle_sha256=running
        )
        request = rollout_service_pb2.ReportDeploymentRequest(deployment=deployment)
        return self.rollouts.ReportDeployment(request, timeout=TIMEOUT_S).deployment


def publish_messages(
    content: bytes, **changes: object
) -> Sequence[model_service_pb2.PublishModelVersionRequest]:
    """The messages of a publishing stream; ``changes`` are fields of its header."""
    facts = {
        "model_name": "fashion",
        "bundle_sha256": hashlib.sha256(content).hexdigest(),
        "size_bytes": len(content),
        **changes,
    }
    header = model_service_pb2.PublishHeader(**facts)  # type: ignore[arg-type]
    pieces = [content[start : start + PIECE_BYTES] for start in range(0, len(content), PIECE_BYTES)]
    return [
        model_service_pb2.PublishModelVersionRequest(header=header),
        *(model_service_pb2.PublishModelVersionRequest(data=piece) for piece in pieces),
    ]


def unknown_model() -> device_pb2.ModelReference:
    return device_pb2.ModelReference(model_name="fashion", version=99, bundle_sha256=digest("nothing"))
