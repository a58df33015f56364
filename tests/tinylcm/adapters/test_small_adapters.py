"""Time and ids, pictures, the prediction log."""

from __future__ import annotations

import io
import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from tinylcm.adapters.clock import SystemClock
from tinylcm.adapters.png import NoImages, PngEncoder
from tinylcm.adapters.prediction_log import PredictionLog


def test_ids_are_uuid7_and_ascend() -> None:
    clock = SystemClock()
    before = datetime.now(UTC)
    ids = [clock.new_id() for _ in range(2000)]
    after = datetime.now(UTC)

    assert ids == sorted(set(ids))
    parsed = [uuid.UUID(text) for text in ids]
    assert {(one.version, one.variant) for one in parsed} == {(7, uuid.RFC_4122)}
    moments = [datetime.fromtimestamp((one.int >> 80) / 1000, UTC) for one in parsed]
    assert (
        before - timedelta(milliseconds=1) <= moments[0] <= moments[-1] <= after + timedelta(milliseconds=1)
    )
    assert clock.now().tzinfo is UTC


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3), (1, 1)])
def test_pictures_are_read_back_pixel_by_pixel(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)

    image = PngEncoder().encode(pixels)
    assert image is not None
    assert image.format == "PNG"
    with Pillow.open(io.BytesIO(image.content)) as read:
        np.testing.assert_array_equal(
            np.asarray(read), np.squeeze(pixels, 2) if shape[2:] == (1,) else pixels
        )


@pytest.mark.parametrize(
    "content", [np.zeros((4, 4), np.float32), np.zeros((4, 4, 2), np.uint8), np.zeros(9, np.uint8)]
)
def test_what_is_no_picture_has_none(content: np.ndarray) -> None:
    assert PngEncoder().encode(content) is None


def test_private_pictures_stay_on_the_device() -> None:
    assert NoImages().encode(np.zeros((4, 4), np.uint8)) is None


def lines_of(path: Path) -> list[int]:
    return [json.loads(line)["source_index"] for line in path.read_text().splitlines()]


def test_the_prediction_log_rotates_within_its_bounds(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    log = PredictionLog(path, max_bytes=100, keep_count=2)
    for index in range(40):
        log.write([{"source_index": index}])

    kept = [tmp_path / f"predictions.jsonl{suffix}" for suffix in (".2", ".1", "")]
    assert sorted(tmp_path.iterdir()) == sorted(kept)
    assert all(one.stat().st_size <= 100 for one in kept)
    indices = [index for one in kept for index in lines_of(one)]
    assert indices == list(range(indices[0], 40))


def test_the_prediction_log_goes_on_after_half_a_line(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    path.write_bytes(b'{"source_index":1}\n{"source_in')
    log = PredictionLog(path, max_bytes=1000, keep_count=0)
    log.write([{"source_index": 2}])

    lines = path.read_text().splitlines()
    assert [lines[0], lines[2]] == ['{"source_index":1}', '{"source_index":2}']


def test_without_older_files_the_log_starts_again(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    log = PredictionLog(path, max_bytes=60, keep_count=0)
    for index in range(10):
        log.write([{"source_index": index}])

    assert list(tmp_path.iterdir()) == [path]
    assert lines_of(path)[-1] == 9


def test_a_full_disk_costs_lines_but_not_the_device(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "predictions.jsonl"
    path.symlink_to("/dev/full")
    log = PredictionLog(path, max_bytes=1000, keep_count=1)
    with caplog.at_level("WARNING"):
        log.write([{"source_index": 1}, {"source_index": 2}])

    assert "given up" in caplog.text
    assert log.given_up_count == 2
