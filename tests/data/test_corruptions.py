"""Corruptions are what their names say, compared with SciPy where it has the same operation."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from demo.corruptions import CORRUPTIONS
from demo.dataset import load_subset


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    return load_subset().split("holdout").images[:200]


def corrupted(name: str, images: NDArray[np.uint8], seed: int = 0) -> NDArray[np.uint8]:
    return CORRUPTIONS[name](images, np.random.default_rng(seed))


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_every_corruption_is_a_pure_function_of_images_and_seed(name: str, images: NDArray[np.uint8]) -> None:
    before = images.copy()
    first, second = corrupted(name, images), corrupted(name, images)
    np.testing.assert_array_equal(images, before)
    np.testing.assert_array_equal(first, second)
    assert first.shape == images.shape
    assert first.dtype == np.uint8
    assert (first != images).any()
    assert corrupted(name, images[:0]).shape == (0, 28, 28)


@pytest.mark.parametrize("name", ["noise1", "occlude"])
def test_random_corruptions_follow_the_generator(name: str, images: NDArray[np.uint8]) -> None:
    assert (corrupted(name, images, seed=0) != corrupted(name, images, seed=1)).any()


@pytest.mark.parametrize("kind", ["noise", "blur", "bright", "contrast"])
def test_a_higher_severity_changes_more(kind: str, images: NDArray[np.uint8]) -> None:
    changes = [
        np.abs(corrupted(f"{kind}{severity}", images).astype(int) - images).mean() for severity in (1, 3, 5)
    ]
    assert changes == sorted(changes)
    assert changes[0] < changes[2]


@pytest.mark.parametrize(("name", "sigma_px"), [("blur1", 0.6), ("blur3", 1.0), ("blur5", 1.5)])
def test_blur_is_the_gaussian_filter(name: str, sigma_px: float, images: NDArray[np.uint8]) -> None:
    expected = ndimage.gaussian_filter(images.astype(float), sigma=(0, sigma_px, sigma_px), mode="reflect")
    assert np.abs(corrupted(name, images) - expected).max() <= 0.51


def test_rotation_is_bilinear_about_the_centre(images: NDArray[np.uint8]) -> None:
    expected = ndimage.rotate(
        np.pad(images, ((0, 0), (2, 2), (2, 2))).astype(float), 20, axes=(2, 1), reshape=False, order=1
    )[:, 2:-2, 2:-2]
    assert np.abs(corrupted("rot20", images) - expected).max() <= 0.51


@pytest.mark.parametrize(("name", "deviation"), [("noise1", 0.08), ("noise3", 0.18)])
def test_noise_has_the_stated_deviation(name: str, deviation: float) -> None:
    grey = np.full((50, 28, 28), 128, dtype=np.uint8)
    noisy = corrupted(name, grey).astype(float) / 255
    assert noisy.std() == pytest.approx(deviation, rel=0.02)


def test_light_and_contrast_move_pixels_by_their_constants() -> None:
    half = np.zeros((1, 28, 28), dtype=np.uint8)
    half[:, :14] = 200
    assert np.unique(corrupted("bright1", half)).tolist() == [26, 226]
    assert np.unique(corrupted("bright5", half)).tolist() == [128, 255]
    assert np.unique(corrupted("contrast1", half)).tolist() == [40, 160]


def test_shift_and_occlusion_touch_the_stated_pixels() -> None:
    white = np.full((20, 28, 28), 255, dtype=np.uint8)
    shifted = corrupted("shift3", white)
    assert (shifted[:, :3] == 0).all()
    assert (shifted[:, :, :3] == 0).all()
    assert (shifted[:, 3:, 3:] == 255).all()
    assert (corrupted("occlude", white) == 0).sum(axis=(1, 2)).tolist() == [64] * 20
