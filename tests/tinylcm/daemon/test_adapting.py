"""The whole device: frames are predicted while it computes what it learns, and what it learns is whole or nothing."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from tests.tinylcm.daemon.conftest import DeviceFolder, frames_of
from tests.tinylcm.daemon.test_checkpoints import engine_of
from tinylcm.daemon.build import Device
from tinylcm.daemon.inbox import ApplyFeedback, ChangeMode
from tinylcm.records import Decision, FeedbackItem, Mode, Sample


def feedback(sample: Sample, number: int, feature_space: str) -> FeedbackItem:
    return FeedbackItem(
        feedback_id=f"feedback-{number}",
        sequence=number,
        sample_id=sample.sample_id,
        drift_event_id=sample.drift_event_id,
        decision=Decision.NEW_LABEL,
        label="corner",
        embedding=sample.observation.embedding,
        feature_space=feature_space,
    )


def in_the_middle_of_learning(
    home: DeviceFolder, images: NDArray[np.uint8]
) -> tuple[Device, threading.Event]:
    """A device that was told what it saw, and whose helper is held until the event is set."""
    home.install()
    device = home.open()
    for frame in frames_of(images, device):
        assert device.inbox.put_frame(frame)
        device.inference.step()
        device.inference.settle()
    release = threading.Event()
    device.adapting.submit(release.wait, 60)
    engine = engine_of(device)
    samples = [one for one in engine.quarantine.samples() if one.drift_event_id][:12]
    items = tuple(feedback(one, n, engine.model.feature_space) for n, one in enumerate(samples, 1))
    assert device.inbox.put_order(ApplyFeedback(items=items))
    device.inference.step()
    assert device.inference.is_adapting
    return device, release


def test_frames_go_on_while_orders_and_checkpoints_wait(
    home: DeviceFolder, drifting_images: NDArray[np.uint8]
) -> None:
    device, release = in_the_middle_of_learning(home, drifting_images)
    engine, count = engine_of(device), device.vitals.counters.predictions
    known = engine.pipeline.learned
    newest = engine.snapshots.load_newest()
    assert device.inbox.put_order(ChangeMode(mode=Mode.MONITORING_ONLY))
    images = np.concatenate([drifting_images, drifting_images[:60]])
    for frame in frames_of(images, device, first_index=len(drifting_images)):
        assert device.inbox.put_frame(frame)
        device.inference.step()
    assert device.vitals.counters.predictions == count + 60
    assert device.inference.is_adapting
    assert engine.pipeline.learned is known
    assert engine.pipeline.mode is not Mode.MONITORING_ONLY
    after = engine.snapshots.load_newest()
    assert newest is not None
    assert after is not None
    assert after[0] == newest[0], "a snapshot now would have half of it"

    release.set()
    device.inference.settle()
    assert "corner" in engine.pipeline.learned.class_names
    device.inference.step()
    assert engine.pipeline.mode is Mode.MONITORING_ONLY
    device.inference.settle()
    saved = engine.snapshots.load_newest()
    assert saved is not None
    assert saved[1]["next_index"] == len(images)
    assert "corner" in saved[1]["pipeline"]["learned"]["class_names"]


def test_a_device_that_stops_meanwhile_learns_first(
    home: DeviceFolder, drifting_images: NDArray[np.uint8]
) -> None:
    device, release = in_the_middle_of_learning(home, drifting_images)
    device.inbox.close()
    release.set()
    device.inference.run()
    again = home.open()
    assert "corner" in engine_of(again).pipeline.learned.class_names


def test_one_that_is_killed_meanwhile_knows_nothing_of_it(
    home: DeviceFolder, drifting_images: NDArray[np.uint8]
) -> None:
    device, release = in_the_middle_of_learning(home, drifting_images)
    known = engine_of(device).pipeline.learned.class_names
    release.set()
    again = home.open()
    assert engine_of(again).pipeline.learned.class_names == known
    assert engine_of(again).pipeline.adaptation_count == 0
