"""A real device with a real bundle on Fashion-MNIST, for measuring: its folder, its configuration, its frames."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from numpy.typing import NDArray

from benchmarks.embeddings import embed
from benchmarks.fashion_images import MODELS, FashionImages, names_of
from demo.corruptions import CORRUPTIONS
from tinylcm.adapters.bundle import Release, build_bundle
from tinylcm.adapters.tflite import TfliteExtractor
from tinylcm.daemon.layout import open_slots
from tinylcm.pipeline.learned import LearnedState, learn
from tinylcm.settings import Settings, parse_settings

SAMPLE_COUNT, COMPONENT_COUNT, BUDGET = 1000, 64, 10_000
STREAM = "stream"
_DISTINCT_COUNT, _RECORDING_COUNT = 500, 100
_NOVEL = (1, 8)
_DRIFT = "bright5"

Tables = Mapping[str, Mapping[str, object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredDevice:
    """One device's folder with its bundle installed; ``frames`` are clean pictures of known classes."""

    extractor: TfliteExtractor
    learned: LearnedState
    model: bytes
    frames: NDArray[np.uint8]
    settings: Settings
    configuration: Path
    tables: Tables


def make_device(folder: Path, images: FashionImages, extractor_name: str, frame_count: int) -> MeasuredDevice:
    """Fits a bundle on undrifted images and installs it; the second half of its recording is brighter."""
    path = MODELS / extractor_name / "model.tflite"
    model = path.read_bytes()
    extractor = TfliteExtractor(model)
    known = np.flatnonzero(~np.isin(images.pool.labels, _NOVEL))[:SAMPLE_COUNT]
    embeddings = embed(path, images.pool.images[known], f"pipeline-{SAMPLE_COUNT}")
    learned = learn(
        embeddings,
        list(names_of(images.pool.labels[known])),
        component_count=COMPONENT_COUNT,
        capacity=SAMPLE_COUNT + 500,
        budget_predictions=BUDGET,
        rng=np.random.default_rng(0),
        runtime=extractor.runtime,
    )
    rows = np.flatnonzero(~np.isin(images.test.labels, _NOVEL))
    rows = rows[np.arange(frame_count) % len(rows)]
    drifted = CORRUPTIONS[_DRIFT](images.test.images[rows[:_DISTINCT_COUNT]], np.random.default_rng(0))
    parts = [images.test.images[rows[:_DISTINCT_COUNT]], drifted]
    _record(folder / STREAM, [to_frames(part, extractor) for part in parts], frame_count // 2)
    tables = _tables()
    settings = parse_settings(tables, folder=folder)
    _install(folder, settings, extractor, learned, model)
    return MeasuredDevice(
        extractor=extractor,
        learned=learned,
        model=model,
        frames=to_frames(images.test.images[rows[:1000]], extractor),
        settings=settings,
        configuration=write_configuration(folder, tables),
        tables=tables,
    )


def _record(folder: Path, parts: Sequence[NDArray[np.uint8]], frame_count: int) -> None:
    """Writes recordings of ``frame_count`` frames of each part after the other; what repeats takes no room on disk."""
    folder.mkdir()
    for part, frames in enumerate(parts):
        for start in range(0, frame_count, _RECORDING_COUNT):
            count = min(_RECORDING_COUNT, frame_count - start)
            path, same = (
                folder / f"{part}-{first:06}-{count}.npz" for first in (start, start % _DISTINCT_COUNT)
            )
            if path != same and same.exists():
                os.link(same, path)
            else:
                np.savez(path, frames=frames[start % _DISTINCT_COUNT :][:count])


def to_frames(images: NDArray[np.uint8], extractor: TfliteExtractor) -> NDArray[np.uint8]:
    """Pictures as the model takes them, ``(n, h, w, c) uint8``: enlarged by a whole factor, the channel repeated."""
    height, width, channels = extractor.input_shape
    factors = height // images.shape[1], width // images.shape[2]
    pixels = images.repeat(factors[0], axis=1).repeat(factors[1], axis=2)
    return np.ascontiguousarray(pixels[..., None].repeat(channels, axis=3))


def _tables() -> dict[str, dict[str, object]]:
    return {
        "device": {"device_id": "measured-1"},
        "source": {"kind": "folder", "path": STREAM, "at_end": "stop"},
        "model": {"trusted_keys": ["release.pub.pem"]},
        "log": {"level": "ERROR"},
    }


def _install(
    folder: Path, settings: Settings, extractor: TfliteExtractor, learned: LearnedState, model: bytes
) -> None:
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / "release.pub.pem").write_bytes(public)
    release = Release(
        model_name="fashion",
        release_counter=1,
        class_names=learned.class_names,
        input_shape=extractor.input_shape,
        input_dtype=extractor.input_dtype,
        runtime=extractor.runtime,
        platforms=(platform.machine(),),
        metrics={},
    )
    meta, arrays = learned.parts()
    build_bundle(folder / "model.bundle", release, extractor=model, meta=meta, arrays=arrays, key=key)
    open_slots(settings).install(folder / "model.bundle")


def write_configuration(folder: Path, tables: Tables) -> Path:
    """Writes a device's configuration into its folder, and returns the file."""
    path = folder / "tinylcm.toml"
    lines = []
    for table, values in tables.items():
        lines += [f"[{table}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
