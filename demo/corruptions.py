"""What happens to a camera: noise, blur, light, tilt, a knock, dirt on the lens. NumPy only.

Noise, blur, brightness and contrast come in severities 1, 3 and 5, after Hendrycks and Dietterich (2019),
"Benchmarking Neural Network Robustness to Common Corruptions and Perturbations" (ICLR); blur is scaled to 28 pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]
Pixels = NDArray[np.float32]
Corruption = Callable[[Images, np.random.Generator], Images]
"""Takes images ``(n, height, width) uint8`` and a generator; returns new images of the same shape and type."""


def gaussian_noise(images: Images, rng: np.random.Generator, *, standard_deviation: float) -> Images:
    """Add independent noise to every pixel; `standard_deviation` in units of full brightness."""
    pixels = _to_unit(images)
    return _to_bytes(pixels + rng.normal(0.0, standard_deviation, pixels.shape).astype(np.float32))


def gaussian_blur(images: Images, rng: np.random.Generator, *, sigma_px: float) -> Images:
    """Convolve with a Gaussian, borders mirrored, kernel cut at four sigma."""
    radius = int(4.0 * sigma_px + 0.5)
    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (offsets / sigma_px) ** 2)
    kernel = (kernel / kernel.sum()).astype(np.float32)
    return _to_bytes(_convolve(_convolve(_to_unit(images), kernel, axis=1), kernel, axis=2))


def brightness(images: Images, rng: np.random.Generator, *, offset: float) -> Images:
    """Lift every pixel by `offset` of full brightness and clip."""
    return _to_bytes(_to_unit(images) + np.float32(offset))


def contrast(images: Images, rng: np.random.Generator, *, factor: float) -> Images:
    """Pull every pixel towards its image's mean: `factor` 1 changes nothing, 0 leaves a grey square."""
    pixels = _to_unit(images)
    mean = pixels.mean(axis=(1, 2), keepdims=True)
    return _to_bytes(mean + (pixels - mean) * np.float32(factor))


def rotation(images: Images, rng: np.random.Generator, *, angle_deg: float) -> Images:
    """Rotate counter-clockwise about the centre, bilinear, black outside."""
    height, width = images.shape[1:]
    angle = np.deg2rad(angle_deg)
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    down, right = rows - (height - 1) / 2, columns - (width - 1) / 2
    source_rows = np.cos(angle) * down + np.sin(angle) * right + (height - 1) / 2
    source_columns = -np.sin(angle) * down + np.cos(angle) * right + (width - 1) / 2
    return _to_bytes(_sample_bilinear(_to_unit(images), source_rows, source_columns))


def shift(images: Images, rng: np.random.Generator, *, distance_px: int) -> Images:
    """Move the picture down and to the right, black where nothing is left."""
    height, width = images.shape[1:]
    moved = np.zeros_like(images)
    moved[:, distance_px:, distance_px:] = images[:, : height - distance_px, : width - distance_px]
    return moved


def occlusion(images: Images, rng: np.random.Generator, *, size_px: int) -> Images:
    """Cover a black square at a random place of every image."""
    count, height, width = images.shape
    tops = rng.integers(0, height - size_px + 1, count)[:, None, None]
    lefts = rng.integers(0, width - size_px + 1, count)[:, None, None]
    rows, columns = np.arange(height)[None, :, None], np.arange(width)[None, None, :]
    in_rows = (rows >= tops) & (rows < tops + size_px)
    in_columns = (columns >= lefts) & (columns < lefts + size_px)
    return np.asarray(np.where(in_rows & in_columns, np.uint8(0), images), dtype=np.uint8)


CORRUPTIONS: Mapping[str, Corruption] = MappingProxyType(
    {
        "noise1": partial(gaussian_noise, standard_deviation=0.08),
        "noise3": partial(gaussian_noise, standard_deviation=0.18),
        "noise5": partial(gaussian_noise, standard_deviation=0.38),
        "blur1": partial(gaussian_blur, sigma_px=0.6),
        "blur3": partial(gaussian_blur, sigma_px=1.0),
        "blur5": partial(gaussian_blur, sigma_px=1.5),
        "bright1": partial(brightness, offset=0.1),
        "bright3": partial(brightness, offset=0.3),
        "bright5": partial(brightness, offset=0.5),
        "contrast1": partial(contrast, factor=0.6),
        "contrast3": partial(contrast, factor=0.3),
        "contrast5": partial(contrast, factor=0.15),
        "rot20": partial(rotation, angle_deg=20.0),
        "shift3": partial(shift, distance_px=3),
        "occlude": partial(occlusion, size_px=8),
    }
)


def _to_unit(images: Images) -> Pixels:
    return images.astype(np.float32) / np.float32(255.0)


def _to_bytes(pixels: Pixels) -> Images:
    return np.asarray(np.rint(np.clip(pixels, 0.0, 1.0) * 255.0), dtype=np.uint8)


def _convolve(pixels: Pixels, kernel: Pixels, *, axis: int) -> Pixels:
    radius = len(kernel) // 2
    widths = [(radius, radius) if index == axis else (0, 0) for index in range(pixels.ndim)]
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(pixels, widths, mode="symmetric"), len(kernel), axis=axis
    )
    return np.asarray(windows @ kernel, dtype=np.float32)


def _sample_bilinear(pixels: Pixels, rows: NDArray[np.float64], columns: NDArray[np.float64]) -> Pixels:
    """Read every image at fractional positions ``(height, width)``; a border of black stands for the outside."""
    padded = np.pad(pixels, ((0, 0), (1, 1), (1, 1)))
    height, width = padded.shape[1:]
    rows = np.clip(rows + 1, 0, height - 1)
    columns = np.clip(columns + 1, 0, width - 1)
    top = np.minimum(rows.astype(np.intp), height - 2)
    left = np.minimum(columns.astype(np.intp), width - 2)
    down, right = (rows - top).astype(np.float32), (columns - left).astype(np.float32)
    upper = padded[:, top, left] * (1 - right) + padded[:, top, left + 1] * right
    lower = padded[:, top + 1, left] * (1 - right) + padded[:, top + 1, left + 1] * right
    return np.asarray(upper * (1 - down) + lower * down, dtype=np.float32)
