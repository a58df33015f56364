"""The whole device, threads and all, against a server in memory: the loop closes, over a link that breaks too."""

from __future__ import annotations

import json
import logging
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from rig.link import FaultyLink, LinkFaults
from tests.fakes.sphere import FakeSphere
from tests.tinylcm.builders import labelled_images, novel_images
from tests.tinylcm.daemon.conftest import KNOWN_COUNT, DeviceFolder
from tests.tinylcm.sync.test_packing import read, unpack_content
from tinylcm.daemon.logs import RecentWarnings
from tinylcm.daemon.service import Service
from tinylcm.errors import TinyLcmError
from tinymlops.v1 import device_pb2, drift_pb2, feedback_pb2, rollout_pb2

DEVICE_ID = "camera-1"


@pytest.fixture
def sphere() -> Iterator[FakeSphere]:
    with FakeSphere() as server:
        yield server


@contextmanager
def running(home: DeviceFolder) -> Iterator[Service]:
    """A device whose threads run; it must end in order."""
    service = Service(home.settings(), RecentWarnings())
    statuses: list[int] = []
    thread = threading.Thread(target=lambda: statuses.append(service.run()))
    thread.start()
    try:
        yield service
    finally:
        service.stop()
        thread.join(60)
    assert statuses == [0]


def offer(sphere: FakeSphere, home: DeviceFolder) -> str:
    content = home.bundle.read_bytes()
    digest = home.bundle_sha256()
    sphere.artifacts[digest] = content
    sphere.offer = rollout_pb2.UpdateOffer(
        rollout_id="rollout-1",
        model=device_pb2.ModelReference(model_name="tiny", version=1, bundle_sha256=digest),
        size_bytes=len(content),
    )
    return digest


def samples_at(sphere: FakeSphere) -> dict[str, drift_pb2.Sample]:
    files = [unpack_content(content)[1] for content in sphere.packages.values()]
    return {
        sample.sample_id: sample
        for entries in files
        for sample in read(entries.get("samples.pb", b""), drift_pb2.Sample)
    }


def judge(
    sphere: FakeSphere, decision: drift_pb2.Decision = drift_pb2.DECISION_NEW_LABEL, label: str = "corner"
) -> None:
    """What a reviewer's verdicts lead to: every sample of the new class gets its name, or what else he says."""
    for sample in samples_at(sphere).values():
        if sample.source_index >= KNOWN_COUNT:
            sphere.give_feedback(DEVICE_ID, sample, decision=decision, label=label)


def outcomes(sphere: FakeSphere) -> list[int]:
    return [item.outcome for item in sphere.feedback.values()]


def labels(home: DeviceFolder) -> dict[int, str]:
    lines = (home.state / "predictions.jsonl").read_text().splitlines()
    return {entry["source_index"]: entry["label"] for entry in map(json.loads, lines)}


def close_the_loop(home: DeviceFolder, sphere: FakeSphere) -> None:
    """From a device without a model to one that knows a class it had never seen."""
    home.tables["source"] |= {"at_end": "wait"}
    digest = offer(sphere, home)
    with running(home):
        home.record("1", np.concatenate([labelled_images(KNOWN_COUNT, seed=11)[0], novel_images(60)]))
        sphere.wait_for(lambda: len(samples_at(sphere)) >= 12)
        judge(sphere)
        sphere.wait_for(lambda: sphere.feedback and all(outcomes(sphere)))
        home.record("2", novel_images(50, seed=9))
        sphere.wait_for(lambda: sphere.heartbeats[-1].counters.prediction_count == KNOWN_COUNT + 110)
        sphere.wait_for(lambda: all(event.recovery_index for event in sphere.drift_events.values()))
        sphere.wait_for(lambda: sphere.heartbeats[-1].status.outbox_count == 0)
    assert sphere.heartbeats[-1].status.running_model.bundle_sha256 == digest


def check_the_loop(home: DeviceFolder, sphere: FakeSphere) -> None:
    assert set(outcomes(sphere)) == {feedback_pb2.FEEDBACK_OUTCOME_APPLIED}
    effects = {item.effect.adaptation_id: item.effect for item in sphere.feedback.values()}
    assert all(effect.judged_accuracy_after > effect.judged_accuracy_before for effect in effects.values())
    assert sphere.heartbeats[-1].counters.drift_event_count == len(sphere.drift_events)
    assert sphere.heartbeats[-1].counters.package_count == len(sphere.packages)
    assert sphere.deployments["rollout-1"][-1] == "COMMITTED"
    predicted = labels(home)
    assert sorted(predicted) == list(range(KNOWN_COUNT + 110))
    after = [predicted[index] for index in range(KNOWN_COUNT + 60, KNOWN_COUNT + 110)]
    assert after.count("corner") > 45
    before = [predicted[index] for index in range(KNOWN_COUNT, KNOWN_COUNT + 30)]
    assert "corner" not in before


def test_the_loop_closes(home: DeviceFolder, sphere: FakeSphere) -> None:
    home.serve_from(sphere.address)
    close_the_loop(home, sphere)

    check_the_loop(home, sphere)


def test_what_people_take_back_is_forgotten(home: DeviceFolder, sphere: FakeSphere) -> None:
    """The device ends and starts anew between a judgement and the next one on the same samples."""
    home.serve_from(sphere.address)
    close_the_loop(home, sphere)
    first = set(sphere.feedback)
    judge(sphere, drift_pb2.DECISION_UNUSABLE, "")
    with running(home):
        sphere.wait_for(lambda: all(outcomes(sphere)))
        home.record("3", novel_images(20, seed=10))
        sphere.wait_for(lambda: len(labels(home)) == KNOWN_COUNT + 130)

    assert set(outcomes(sphere)) == {feedback_pb2.FEEDBACK_OUTCOME_APPLIED}
    taken_back = [item for item in sphere.feedback.values() if item.feedback_id not in first]
    assert all(item.effect.adaptation_id for item in taken_back)
    after = [label for index, label in labels(home).items() if index >= KNOWN_COUNT + 110]
    assert len(after) == 20
    assert "corner" not in after


def test_the_loop_closes_over_a_link_that_is_cut_all_the_time(
    home: DeviceFolder, sphere: FakeSphere, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    faults = LinkFaults(cut_every_s=(0.3, 0.8), outage_s=(0.05, 0.2), cut_after_bytes=(4_000, 60_000))
    with FaultyLink(sphere.address, faults, seed=4) as link:
        home.serve_from(link.address)
        close_the_loop(home, sphere)
        assert link.counts.cut_count >= 3

    check_the_loop(home, sphere)


def test_without_a_server_everything_waits_and_then_arrives(home: DeviceFolder, sphere: FakeSphere) -> None:
    home.install()
    home.serve_from(sphere.address)
    home.record("1", np.concatenate([labelled_images(KNOWN_COUNT, seed=11)[0], novel_images(60)]))
    sphere.stop()
    with running(home):
        wait_for(lambda: len(labels_or_none(home)) == KNOWN_COUNT + 60)
    assert sphere.packages == {}

    sphere.start()
    with running(home):
        sphere.wait_for(lambda: len(samples_at(sphere)) >= 12 and sphere.drift_events)
    assert samples_at(sphere).keys()


def labels_or_none(home: DeviceFolder) -> dict[int, str]:
    return labels(home) if (home.state / "predictions.jsonl").exists() else {}


def wait_for(condition: Callable[[], bool]) -> None:
    """Looks again and again, for at most a minute."""
    tick = threading.Event()
    for _ in range(600):
        if condition():
            return
        tick.wait(0.1)
    raise AssertionError("it never came to that")


def test_a_device_alone_ends_when_its_source_does(home: DeviceFolder) -> None:
    home.install()
    home.record("1", labelled_images(40, seed=2)[0])

    assert Service(home.settings(), RecentWarnings()).run(until_idle=True) == 0
    assert sorted(labels(home)) == list(range(40))


def test_a_device_ends_with_its_source_once_all_was_sent(home: DeviceFolder, sphere: FakeSphere) -> None:
    home.install()
    home.serve_from(sphere.address)
    home.record("1", np.concatenate([labelled_images(KNOWN_COUNT, seed=11)[0], novel_images(60)]))

    assert Service(home.settings(), RecentWarnings()).run(until_idle=True) == 0
    assert len(samples_at(sphere)) >= 12
    assert len(sphere.drift_events) >= 1


def test_two_daemons_never_share_a_folder(home: DeviceFolder) -> None:
    home.tables["source"] |= {"at_end": "wait"}
    home.install()
    home.record("1", labelled_images(5, seed=2)[0])
    with running(home):
        wait_for(lambda: bool(labels_or_none(home)))
        with pytest.raises(TinyLcmError, match="another daemon"):
            Service(home.settings(), RecentWarnings()).run()


def test_frames_that_do_not_fit_are_counted_and_passed(
    home: DeviceFolder, caplog: pytest.LogCaptureFixture
) -> None:
    home.install()
    home.record("1", labelled_images(10, seed=2)[0])
    home.record("2", np.zeros((10, 5, 5, 1), np.uint8))
    home.record("3", np.full((10, 4, 4, 1), np.nan, np.float32))
    home.record("4", labelled_images(10, seed=3)[0])
    with caplog.at_level(logging.WARNING):
        Service(home.settings(), RecentWarnings()).run(until_idle=True)

    assert sorted(labels(home)) == [*range(10), *range(30, 40)]
    assert "frame 10 is refused" in caplog.text
    assert sum("is refused" in line for line in caplog.messages) < 10, "a broken camera does not fill the log"


def test_a_failure_of_the_inference_thread_ends_the_device_with_status_1(
    home: DeviceFolder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL + 1)
    home.tables["source"] |= {"at_end": "wait"}
    home.install()
    statuses: list[int] = []
    service = Service(home.settings(), RecentWarnings())
    thread = threading.Thread(target=lambda: statuses.append(service.run()))
    home.record("1", labelled_images(30, seed=2)[0])
    thread.start()
    snapshots = home.state / "snapshots"
    wait_for(lambda: any(snapshots.glob("*/*.bin")))
    shutil.rmtree(snapshots)
    home.record("2", labelled_images(30, seed=3)[0])
    thread.join(60)

    assert statuses == [1]
