"""The same world twice: behind gRPC, and in memory."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest

from tests.support.fleet import Fleet
from tests.tinyboard.client.worlds import World, copy_of, told
from tests.tinyboard.conftest import Targets
from tinyboard.client.hub import GrpcHub
from tinyboard.client.ports import Hub


@pytest.fixture(params=["fake", "grpc"])
def world(request: pytest.FixtureRequest, targets: Targets) -> World:
    story = told(f"camera-{uuid.uuid4()}")
    fleet = Fleet(targets.ingestion, targets.drift)
    fleet.report((story,))
    real = GrpcHub(targets.ingestion, targets.drift, targets.distribution)
    hub: Hub = real
    answer: Callable[[], object] = lambda: fleet.answer(story)  # noqa: E731
    if request.param == "fake":
        hub = copied = copy_of(real, story)
        answer = lambda: copied.learn(story.drift_event_id)  # noqa: E731
    return World(hub=hub, drift_event_id=story.drift_event_id, device_id=story.device_id, answer=answer)
