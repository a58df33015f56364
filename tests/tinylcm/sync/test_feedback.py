"""Every judgement reaches the pipeline, none is handed over twice while its answer is on the way."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from tests.fakes.sphere import UNAVAILABLE, FakeSphere
from tests.tinylcm.builders import HandClock, sample
from tests.tinylcm.sync.conftest import DEVICE_ID, Rig
from tinylcm.records import Decision
from tinylcm.sync import convert
from tinylcm.sync.failures import CallError
from tinylcm.sync.feedback import ASK_ANYWAY_S
from tinymlops.v1 import drift_pb2


def give(sphere: FakeSphere, number: int = 1, *, decision: int = drift_pb2.DECISION_NEW_LABEL) -> str:
    message = convert.to_sample(sample(number), DEVICE_ID)
    return sphere.give_feedback(DEVICE_ID, message, decision=decision, label="bag")


def test_an_item_is_handed_over_once(registered: Rig, sphere: FakeSphere) -> None:
    feedback_id = give(sphere)
    registered.feedback.fetch(1)
    registered.feedback.fetch(2)

    [item] = registered.device.delivered
    assert (item.feedback_id, item.decision, item.label) == (feedback_id, Decision.NEW_LABEL, "bag")
    np.testing.assert_array_equal(item.embedding, sample(1).observation.embedding)


def test_all_pages_are_read(registered: Rig, sphere: FakeSphere) -> None:
    for number in range(250):
        give(sphere, number)
    registered.feedback.fetch(250)

    assert [item.sequence for item in registered.device.delivered] == list(range(1, 251))
    assert sphere.asked["FetchFeedback"] == 3


def test_without_a_mark_it_asks_once_in_a_while(
    registered: Rig, sphere: FakeSphere, clock: HandClock
) -> None:
    registered.feedback.fetch(0)
    registered.feedback.fetch(0)
    assert sphere.asked["FetchFeedback"] == 1

    give(sphere)
    clock.forward(ASK_ANYWAY_S)
    registered.feedback.fetch(0)
    assert len(registered.device.delivered) == 1


def test_what_the_pipeline_has_no_room_for_comes_again(registered: Rig, sphere: FakeSphere) -> None:
    give(sphere)
    registered.device.has_room = False
    registered.feedback.fetch(1)
    registered.device.has_room = True
    registered.feedback.fetch(1)

    assert len(registered.device.delivered) == 1


def test_a_break_loses_nothing(registered: Rig, sphere: FakeSphere) -> None:
    give(sphere)
    sphere.refuse("FetchFeedback", UNAVAILABLE, times=3)
    with pytest.raises(CallError):
        registered.feedback.fetch(1)
    registered.feedback.fetch(1)

    assert len(registered.device.delivered) == 1


def test_a_deferred_item_is_handed_over_again(registered: Rig, sphere: FakeSphere) -> None:
    feedback_id = give(sphere)
    registered.feedback.fetch(1)
    registered.feedback.forget([feedback_id])
    registered.feedback.fetch(2)

    assert [item.feedback_id for item in registered.device.delivered] == [feedback_id] * 2


def test_what_is_not_readable_stays_at_the_server(
    registered: Rig, sphere: FakeSphere, caplog: pytest.LogCaptureFixture
) -> None:
    give(sphere, decision=99)
    damaged_id = give(sphere)
    sphere.feedback[damaged_id].embedding.dimension_count = 7
    good = give(sphere)
    with caplog.at_level(logging.WARNING):
        registered.feedback.fetch(3)

    assert [item.feedback_id for item in registered.device.delivered] == [good]
    assert "decision 99" in caplog.text
    assert "not readable" in caplog.text
