"""The server side of the demonstration: processes, channels, and the calls an operator makes."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc

from demo.processes import Program, free_address
from tinymlops.v1 import (
    adaptation_service_pb2_grpc,
    device_pb2,
    device_service_pb2,
    device_service_pb2_grpc,
    drift_pb2,
    drift_service_pb2,
    drift_service_pb2_grpc,
    feedback_pb2,
    feedback_service_pb2,
    feedback_service_pb2_grpc,
    ingestion_service_pb2,
    ingestion_service_pb2_grpc,
    model_pb2,
    model_service_pb2,
    model_service_pb2_grpc,
    package_pb2,
    rollout_pb2,
    rollout_service_pb2,
    rollout_service_pb2_grpc,
)

SERVICES = ("ingestion", "drift", "distribution")
TIMEOUT_S = 20.0
PAGE_SIZE = 500
PIECE_BYTES = 256 * 1024


class Server:
    """TinySphere on free loopback ports, in one process or in three.

    Args:
        separate: A process for each service.
        database_url: Database; the embedded SQLite file when empty.
        trusted_key: Public key that may sign bundles, if any will be published.
        first_port: Port of the first service, the next ones for the others; each gives way to any free port
            where it is taken or 0.
    """

    def __init__(
        self,
        folder: Path,
        *,
        separate: bool,
        database_url: str = "",
        trusted_key: Path | None = None,
        first_port: int = 0,
    ) -> None:
        self.addresses = {
            service: free_address(first_port + number if first_port else 0)
            for number, service in enumerate(SERVICES)
        }
        environment = {
            "TINYSPHERE_DATA_DIR": str(folder / "server"),
            "TINYSPHERE_HEARTBEAT_INTERVAL_S": "1",
            **{f"TINYSPHERE_{name.upper()}_ADDRESS": address for name, address in self.addresses.items()},
        }
        if trusted_key is not None:
            environment["TINYSPHERE_TRUSTED_KEYS"] = f'["{trusted_key}"]'
        if database_url:
            environment["TINYSPHERE_DATABASE_URL"] = database_url
        self.programs = [
            Program(
                f"tinysphere-{name}",
                "tinysphere",
                ["serve", name],
                log_folder=folder / "logs",
                environment=environment,
            )
            for name in (SERVICES if separate else ("all",))
        ]
        self.channels = {name: grpc.insecure_channel(address) for name, address in self.addresses.items()}
        self.devices = device_service_pb2_grpc.DeviceServiceStub(self.channels["ingestion"])
        self.ingestion = ingestion_service_pb2_grpc.IngestionServiceStub(self.channels["ingestion"])
        self.drift = drift_service_pb2_grpc.DriftServiceStub(self.channels["drift"])
        self.feedback = feedback_service_pb2_grpc.FeedbackServiceStub(self.channels["drift"])
        self.adaptations = adaptation_service_pb2_grpc.AdaptationServiceStub(self.channels["drift"])
        self.models = model_service_pb2_grpc.ModelServiceStub(self.channels["distribution"])
        self.rollouts = rollout_service_pb2_grpc.RolloutServiceStub(self.channels["distribution"])

    def start(self) -> None:
        """Starts every process and waits until all services listen."""
        for program in self.programs:
            program.start()
        for index, address in enumerate(self.addresses.values()):
            self.programs[min(index, len(self.programs) - 1)].wait_until_listening(address)

    def kill(self) -> None:
        """Ends every process as a power cut would."""
        for program in self.programs:
            program.kill()

    def stop(self) -> None:
        """Ends every process in order, then the connections to them."""
        for program in self.programs:
            program.stop()
        for channel in self.channels.values():
            channel.close()

    def publish(self, bundle: Path, model_name: str) -> model_pb2.ModelVersion:
        """Publishes a bundle and returns the version the registry gave it."""
        content = bundle.read_bytes()

        def messages() -> Iterator[model_service_pb2.PublishModelVersionRequest]:
            header = model_service_pb2.PublishHeader(
                model_name=model_name,
                bundle_sha256=hashlib.sha256(content).hexdigest(),
                size_bytes=len(content),
            )
            yield model_service_pb2.PublishModelVersionRequest(header=header)
            for start in range(0, len(content), PIECE_BYTES):
                yield model_service_pb2.PublishModelVersionRequest(data=content[start : start + PIECE_BYTES])

        return self.models.PublishModelVersion(messages(), timeout=120).model_version

    def roll_out(self, model: device_pb2.ModelReference) -> None:
        """Offers a version to every device."""
        rollout = rollout_pb2.Rollout(rollout_id=str(uuid.uuid4()), model=model, operator="demo")
        request = rollout_service_pb2.CreateRolloutRequest(rollout=rollout)
        created = self.rollouts.CreateRollout(request, timeout=TIMEOUT_S).rollout
        start = rollout_service_pb2.StartRolloutRequest(rollout_id=created.rollout_id)
        self.rollouts.StartRollout(start, timeout=TIMEOUT_S)

    def device(self, device_id: str) -> device_pb2.Device:
        """One device as the registry knows it."""
        request = device_service_pb2.GetDeviceRequest(device_id=device_id)
        return self.devices.GetDevice(request, timeout=TIMEOUT_S).device

    def events_of(self, device_id: str) -> list[drift_pb2.DriftEvent]:
        """Every drift event of a device."""
        request = drift_service_pb2.ListDriftEventsRequest(device_id=device_id, page_size=PAGE_SIZE)
        return read_all(self.drift.ListDriftEvents, request, "drift_events")

    def feedback_of(self, device_id: str) -> list[feedback_pb2.FeedbackItem]:
        """Every feedback item of a device."""
        request = feedback_service_pb2.ListFeedbackRequest(device_id=device_id, page_size=PAGE_SIZE)
        return read_all(self.feedback.ListFeedback, request, "items")

    def packages_of(self, device_id: str) -> list[package_pb2.Package]:
        """Every package of a device."""
        request = ingestion_service_pb2.ListPackagesRequest(device_id=device_id, page_size=PAGE_SIZE)
        return read_all(self.ingestion.ListPackages, request, "packages")


def read_all(method: Any, request: Any, field: str) -> list[Any]:
    """Every row of a List method, page after page; `request` is used up."""
    rows: list[Any] = []
    while True:
        response = method(request, timeout=TIMEOUT_S)
        rows += getattr(response, field)
        if not response.next_page_token:
            return rows
        request.page_token = response.next_page_token
