"""What the device measures of itself, and what pictures it never keeps."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.tinylcm.builders import START
from tests.tinylcm.daemon.conftest import DeviceFolder, frames_of, show
from tests.tinylcm.daemon.test_checkpoints import engine_of, run_to_the_end
from tests.tinylcm.sync.test_packing import read, unpack
from tinylcm.adapters.png import PngEncoder
from tinylcm.daemon.latencies import Latencies
from tinylcm.daemon.machine import machine_figures
from tinylcm.pipeline.laps import STAGES
from tinylcm.ports import NewPackage
from tinymlops.v1 import drift_pb2


def metrics_of(home: DeviceFolder, images: NDArray[np.uint8]) -> dict[str, float]:
    home.install()
    device = home.open()
    show(device, frames_of(images, device))
    metrics = device.vitals.close_minute(START, device.outbox.totals(), period_s=2.0)
    return {metric.name: metric.value for metric in metrics}


def test_every_stage_is_measured_and_none_takes_longer_than_the_whole(
    home: DeviceFolder, drifting_images: NDArray[np.uint8]
) -> None:
    metrics = metrics_of(home, drifting_images)

    for percentile in ("p50", "p95", "p99"):
        stages = [metrics[f"latency_ms.{stage}.{percentile}"] for stage in STAGES]
        assert min(stages) > 0
        assert max(stages) < metrics[f"latency_ms.{percentile}"]
    assert metrics["predictions_per_second"] == len(drifting_images) / 2.0
    assert metrics["longest_hold_ms"] > 0
    assert metrics["drift_event_count"] > 0


def test_percentiles_are_those_of_the_newest_frames() -> None:
    latencies = Latencies()
    for number in range(10_000):
        latencies.add([number * 1e-3, 0.0, 0.0, 0.0])
    newest = np.arange(10_000 - 4096, 10_000)

    assert latencies.mean_ms() == pytest.approx(newest.mean())
    found = latencies.empty()
    assert found["latency_ms.p95"] == pytest.approx(np.percentile(newest, 95))
    assert found["latency_ms.extract.p50"] == pytest.approx(np.percentile(newest, 50))
    assert found["latency_ms.adapt.p99"] == 0
    assert latencies.empty() == {}
    assert latencies.mean_ms() == pytest.approx(newest.mean()), "the last known"


def test_measuring_allocates_nothing_that_stays() -> None:
    latencies, times = Latencies(), [1e-3] * len(STAGES)
    for _ in range(5000):
        latencies.add(times)
    before = sys.getallocatedblocks()
    for _ in range(20_000):
        latencies.add(times)
    assert sys.getallocatedblocks() - before < 50


def test_the_machine_says_what_it_knows(tmp_path: Path) -> None:
    for number, text in enumerate(["41250\n", "63500\n", "asleep\n"]):
        zone = tmp_path / f"thermal_zone{number}"
        zone.mkdir()
        (zone / "temp").write_text(text)

    figures = machine_figures(tmp_path, tmp_path)
    assert figures["temperature_celsius"] == 63.5
    assert figures["memory_bytes"] > 0
    assert figures["disk_free_bytes"] > 0
    assert "temperature_celsius" not in machine_figures(tmp_path, tmp_path / "none")


@pytest.mark.parametrize("send_images", [True, False])
def test_with_private_pictures_not_a_byte_of_them_is_kept_or_sent(
    home: DeviceFolder, drifting_images: NDArray[np.uint8], send_images: bool
) -> None:
    """Looked for: each frame as it is, and as PNG, in every file of the device and in every package unpacked."""
    home.tables["adaptation"] |= {"send_images": send_images}
    home.install()
    device = run_to_the_end(home, drifting_images)
    samples = [sample for sample in engine_of(device).quarantine.samples() if sample.image]
    sent: list[drift_pb2.Sample] = []
    skipping: list[str] = []
    while (found := device.outbox.next_package(skipping=skipping)) is not None:
        skipping.append(found.package_id)
        content = device.outbox.content_path(found.package_id).read_bytes()
        _, files = unpack(NewPackage(package=found, content=content))
        sent += read(files.get("samples.pb", b""), drift_pb2.Sample)
    home.close()

    stored = b"".join(path.read_bytes() for path in home.state.rglob("*") if path.is_file())
    stored += b"".join(sample.SerializeToString() for sample in sent)
    pictures = [PngEncoder().encode(image) for image in drifting_images]
    needles = [picture.content for picture in pictures if picture]
    needles += [image.tobytes() for image in drifting_images]
    assert len(sent) >= 12
    assert any(needle in stored for needle in needles) is send_images
    assert any(bool(sample.image) for sample in sent) is send_images
    assert send_images or not samples
