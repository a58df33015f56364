"""Everything a server can be asked to list: equal before and after means that nothing was lost or added."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from demo.server import Server, read_all
from tinymlops.v1 import (
    adaptation_service_pb2,
    device_pb2,
    device_service_pb2,
    drift_service_pb2,
    feedback_service_pb2,
    ingestion_service_pb2,
    model_service_pb2,
    rollout_service_pb2,
)

PAGE_SIZE = 500

Inventory = Mapping[str, Sequence[Any]]


def inventory(server: Server) -> Inventory:
    """Every row of every list, by its noun."""
    lists: dict[str, tuple[Any, Any]] = {
        "devices": (server.devices.ListDevices, device_service_pb2.ListDevicesRequest),
        "packages": (server.ingestion.ListPackages, ingestion_service_pb2.ListPackagesRequest),
        "drift_events": (server.drift.ListDriftEvents, drift_service_pb2.ListDriftEventsRequest),
        "samples": (server.drift.ListSamples, drift_service_pb2.ListSamplesRequest),
        "verdicts": (server.drift.ListVerdicts, drift_service_pb2.ListVerdictsRequest),
        "items": (server.feedback.ListFeedback, feedback_service_pb2.ListFeedbackRequest),
        "adaptations": (server.adaptations.ListAdaptations, adaptation_service_pb2.ListAdaptationsRequest),
        "latest_versions": (server.models.ListModels, model_service_pb2.ListModelsRequest),
        "rollouts": (server.rollouts.ListRollouts, rollout_service_pb2.ListRolloutsRequest),
    }
    found = {
        noun: read_all(method, make(page_size=PAGE_SIZE), noun) for noun, (method, make) in lists.items()
    }
    found["devices"] = [_without_contact(device) for device in found["devices"]]
    return found


@contextmanager
def unchanged(server: Server) -> Iterator[None]:
    """What happens inside must leave every list as it is."""
    before = inventory(server)
    yield
    assert inventory(server) == before


def _without_contact(device: device_pb2.Device) -> device_pb2.Device:
    """A refused request of a device is a sign of life all the same."""
    device.ClearField("last_contact_time")
    device.ClearField("connectivity")
    return device
