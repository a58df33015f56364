"""Whenever the power fails, evidence is there once, and no frame is passed without it."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.tinylcm.builders import MODEL, START
from tests.tinylcm.daemon.conftest import KNOWN_COUNT, NOVEL_COUNT, DeviceFolder, frames_of, show
from tests.tinylcm.sync.test_packing import read, unpack
from tinylcm.adapters.outbox import SqliteOutbox
from tinylcm.adapters.prediction_log import PredictionLog
from tinylcm.daemon.build import Device
from tinylcm.daemon.engine import Engine
from tinylcm.daemon.predictions import LoggedPrediction, Predictions
from tinylcm.errors import StorageFullError
from tinylcm.ports import MessageKind, NewPackage
from tinylcm.records import Prediction
from tinymlops.v1 import drift_pb2


class PowerCutError(Exception):
    """The test pulled the plug."""


@dataclass(frozen=True)
class Evidence:
    """What a device would send, by what it is about; two of the same thing show as two."""

    events: tuple[tuple[int, int], ...]
    sample_indices: tuple[int, ...]
    urgent_count: int


def evidence_in(outbox: SqliteOutbox) -> Evidence:
    events: dict[str, tuple[int, int]] = {}
    samples: dict[str, int] = {}
    skipping: list[str] = []
    while (found := outbox.next_package(skipping=skipping)) is not None:
        skipping.append(found.package_id)
        content = outbox.content_path(found.package_id).read_bytes()
        _, files = unpack(NewPackage(package=found, content=content))
        for event in read(files.get("drift_events.pb", b""), drift_pb2.DriftEvent):
            events[event.drift_event_id] = (event.detect_index, event.recovery_index)
        for sample in read(files.get("samples.pb", b""), drift_pb2.Sample):
            samples[sample.sample_id] = sample.source_index
    urgent = {
        drift_pb2.DriftEvent.FromString(message.content).drift_event_id
        for message in outbox.messages(MessageKind.DRIFT_EVENT, 100)
    }
    assert urgent == set(events)
    return Evidence(tuple(sorted(events.values())), tuple(sorted(samples.values())), len(urgent))


def predicted(home: DeviceFolder) -> list[int]:
    lines = (home.state / "predictions.jsonl").read_text().splitlines()
    return [json.loads(line)["source_index"] for line in lines]


def run_to_the_end(home: DeviceFolder, images: NDArray[np.uint8]) -> Device:
    device = home.open()
    show(device, frames_of(images, device, first_index=device.first_index))
    device.inbox.close()
    device.inference.run()
    return device


@pytest.fixture(scope="session")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, tiny_bundle_file: Path, drifting_images: NDArray[np.uint8]
) -> Evidence:
    """What the same stream gives when nothing goes wrong."""
    home = DeviceFolder(tmp_path_factory.mktemp("undisturbed"), tiny_bundle_file)
    home.install()
    evidence = evidence_in(run_to_the_end(home, drifting_images).outbox)
    home.close()
    assert any(detect_index >= KNOWN_COUNT for detect_index, _ in evidence.events)
    assert len(evidence.sample_indices) >= 12
    return evidence


def before_staging(device: Device, monkey: pytest.MonkeyPatch) -> None:
    def put(*_: object, **__: object) -> None:
        raise PowerCutError

    monkey.setattr(device.outbox, "put", put)


def before_the_snapshot(device: Device, monkey: pytest.MonkeyPatch) -> None:
    def save(*_: object) -> None:
        raise PowerCutError

    monkey.setattr(engine_of(device).snapshots, "save", save)


def before_the_release(device: Device, monkey: pytest.MonkeyPatch) -> None:
    def release(*_: object) -> None:
        raise PowerCutError

    monkey.setattr(device.outbox, "release", release)


def engine_of(device: Device) -> Engine:
    assert device.models.engine is not None
    return device.models.engine


@pytest.mark.parametrize("pull_the_plug", [before_staging, before_the_snapshot, before_the_release])
@pytest.mark.parametrize("at_frame", [24, KNOWN_COUNT, KNOWN_COUNT + 20])
def test_a_power_cut_changes_nothing_in_the_end(
    home: DeviceFolder,
    drifting_images: NDArray[np.uint8],
    undisturbed: Evidence,
    pull_the_plug: object,
    at_frame: int,
) -> None:
    home.install()
    device = home.open()
    with pytest.MonkeyPatch.context() as monkey:
        frames = frames_of(drifting_images, device)
        show(device, (frame for _, frame in zip(range(at_frame), frames, strict=False)))
        pull_the_plug(device, monkey)  # type: ignore[operator]  # one of the three above
        try:
            show(device, frames)
            device.inbox.close()
            device.inference.run()
        except PowerCutError:
            pass
        else:
            raise AssertionError("the plug was not pulled")
    device = run_to_the_end(home, drifting_images)

    assert evidence_in(device.outbox) == undisturbed
    assert sorted(set(predicted(home))) == list(range(KNOWN_COUNT + NOVEL_COUNT))


def test_a_restarted_device_goes_on_where_it_stood(
    home: DeviceFolder, drifting_images: NDArray[np.uint8], undisturbed: Evidence
) -> None:
    home.install()
    for stop in range(10, len(drifting_images), 17):
        device = home.open()
        assert device.first_index <= stop
        frames = frames_of(drifting_images[:stop], device, first_index=device.first_index)
        show(device, frames)
        device.inbox.close()
        device.inference.run()
        assert home.open().first_index == stop
    device = run_to_the_end(home, drifting_images)

    assert evidence_in(device.outbox).events == undisturbed.events
    assert predicted(home) == list(range(len(drifting_images)))


def test_a_full_disk_stops_checkpoints_and_loses_nothing_when_it_has_room_again(
    home: DeviceFolder, drifting_images: NDArray[np.uint8], undisturbed: Evidence
) -> None:
    home.install()
    device = home.open()
    with pytest.MonkeyPatch.context() as monkey:

        def write_durably(*_: object) -> None:
            raise StorageFullError("no space left")

        monkey.setattr("tinylcm.adapters.outbox_files.write_durably", write_durably)
        monkey.setattr("tinylcm.adapters.snapshots.write_durably", write_durably)
        show(device, frames_of(drifting_images, device))
        assert evidence_in(device.outbox) == Evidence((), (), 0)
    device.inbox.close()
    device.inference.run()

    assert evidence_in(device.outbox) == undisturbed


def test_frames_go_on_while_the_disk_stands_still(
    home: DeviceFolder, drifting_images: NDArray[np.uint8], undisturbed: Evidence
) -> None:
    home.install()
    device = home.open()
    goes_on = threading.Event()
    device.disk.submit(goes_on.wait)
    for frame in frames_of(drifting_images, device):
        assert device.inbox.put_frame(frame)
        device.inference.step()

    assert device.vitals.report().prediction_count == len(drifting_images)
    assert device.vitals.report().drift_event_count == 0, "counts speak of what is durable"
    assert evidence_in(device.outbox) == Evidence((), (), 0)
    assert not (home.state / "predictions.jsonl").exists()

    goes_on.set()
    device.inbox.close()
    device.inference.run()
    assert evidence_in(device.outbox) == undisturbed
    assert predicted(home) == list(range(len(drifting_images)))


@pytest.mark.parametrize("pull_the_plug", [before_staging, before_the_snapshot, before_the_release])
def test_a_power_cut_behind_the_back_of_the_inference_thread_loses_no_event(
    home: DeviceFolder, drifting_images: NDArray[np.uint8], undisturbed: Evidence, pull_the_plug: object
) -> None:
    home.install()
    device = home.open()
    with pytest.MonkeyPatch.context() as monkey:
        pull_the_plug(device, monkey)  # type: ignore[operator]  # one of the three above
        with pytest.raises(PowerCutError):
            for frame in frames_of(drifting_images, device):
                assert device.inbox.put_frame(frame)
                device.inference.step()
            device.inference.settle()
            device.inference.step()  # what a slow disk kept for the next checkpoint
            device.inference.settle()
    device = run_to_the_end(home, drifting_images)

    assert evidence_in(device.outbox).events == undisturbed.events
    assert sorted(set(predicted(home))) == list(range(KNOWN_COUNT + NOVEL_COUNT))


def test_lines_beyond_the_bound_are_dropped_and_counted_while_the_disk_stands_still(tmp_path: Path) -> None:
    goes_on = threading.Event()
    with ThreadPoolExecutor(max_workers=1) as disk:
        disk.submit(goes_on.wait)
        log = PredictionLog(tmp_path / "predictions.jsonl", max_bytes=4 << 20, keep_count=0)
        predictions = Predictions(log, disk)
        seen = Prediction(label="bag", confidence=1.0, neighbours=(), mean_distance=0.0)
        for index in range(10_000):
            predictions.append(LoggedPrediction(index, START, seen, False, MODEL))
        assert predictions.lost_count > 0
        goes_on.set()
        predictions.flush_durably()

    lines = (tmp_path / "predictions.jsonl").read_text().splitlines()
    indices = [json.loads(line)["source_index"] for line in lines]
    assert indices == list(range(10_000 - predictions.lost_count))


def test_counts_speak_of_what_is_durable(home: DeviceFolder, drifting_images: NDArray[np.uint8]) -> None:
    home.install()
    device = home.open()
    show(device, frames_of(drifting_images, device))

    report = device.vitals.report()
    assert report.prediction_count == len(drifting_images)
    assert report.drift_event_count == len(evidence_in(device.outbox).events)
    assert report.running_model == engine_of(device).model
