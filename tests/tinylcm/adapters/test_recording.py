"""Recordings tell shape, rate, truth and origin, and refuse what contradicts itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinylcm.adapters.recording import Recording, open_recording
from tinylcm.errors import InputError


def recording(folder: Path, **arrays: Any) -> Recording:
    np.savez(folder / "one.npz", **arrays)
    return open_recording(folder / "one.npz")


def test_windows_of_a_sensor_stay_as_they_are(tmp_path: Path) -> None:
    windows = np.random.default_rng(0).normal(size=(4, 50, 6)).astype(np.float32)
    stored = list(recording(tmp_path, frames=windows).read(1))
    np.testing.assert_array_equal(np.stack(stored), windows[1:])


def test_grey_images_get_a_channel(tmp_path: Path) -> None:
    images = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    (first, _) = recording(tmp_path, images=images).read(0)
    np.testing.assert_array_equal(first, images[0, ..., None])


def test_labels_are_names_or_numbers_into_class_names(tmp_path: Path) -> None:
    frames = np.zeros((3, 2, 2, 1), np.uint8)
    names = np.array(["bag", "coat"])
    assert recording(tmp_path, frames=frames).labels() is None
    assert recording(tmp_path, frames=frames, labels=names[[1, 0, 1]]).labels() == ("coat", "bag", "coat")
    numbered = recording(tmp_path, frames=frames, labels=np.array([1, 1, 0], np.uint8), class_names=names)
    assert numbered.labels() == ("coat", "coat", "bag")


@pytest.mark.parametrize(
    "more",
    [
        {"labels": np.array(["bag"])},
        {"labels": np.array([["bag"], ["bag"], ["coat"]])},
        {"labels": np.array([0, 1, 2]), "class_names": np.array(["bag", "coat"])},
        {"labels": np.array([0, -1, 1]), "class_names": np.array(["bag", "coat"])},
        {"labels": np.array([0, 1, 1])},
        {"labels": np.array([{}, {}, {}], dtype=object)},
    ],
)
def test_labels_that_do_not_name_every_frame_are_refused(tmp_path: Path, more: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"labels|damaged"):
        recording(tmp_path, frames=np.zeros((3, 2, 2, 1), np.uint8), **more).labels()


def test_a_file_may_hold_several_recordings(tmp_path: Path) -> None:
    frames = np.zeros((3, 2, 2, 1), np.uint8)
    assert recording(tmp_path, frames=frames).recordings() is None
    assert recording(tmp_path, frames=frames, recordings=np.array([7, 7, 8])).recordings() == ("7", "7", "8")
    with pytest.raises(InputError, match=r"recordings \(2,\) for 3 frames"):
        recording(tmp_path, frames=frames, recordings=np.array([7, 8])).recordings()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_damaged_recording_is_an_input_error_whatever_bit_flipped(
    tmp_path: Path, save: Callable[..., None]
) -> None:
    save(tmp_path / "whole.npz", frames=np.arange(160, dtype=np.float32).reshape(10, 4, 4))
    whole = (tmp_path / "whole.npz").read_bytes()
    flipped = tmp_path / "flipped.npz"
    refused_count = 0
    for bit in range(0, 8 * len(whole), 23):
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        flipped.write_bytes(content)
        try:
            assert len(list(open_recording(flipped).read(0))) <= 10
        except InputError:
            refused_count += 1

    assert refused_count > 100
