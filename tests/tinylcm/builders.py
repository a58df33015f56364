"""What tests of the device are made of: a clock in the hand, a tiny model, frames, packages, evidence."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from tinylcm.adapters.bundle import Release
from tinylcm.adapters.keys import key_id
from tinylcm.adapters.tflite import find_engine
from tinylcm.ports import NewPackage, OutgoingPackage, Priority
from tinylcm.records import (
    Alarm,
    DriftEvent,
    DriftType,
    Image,
    ModelReference,
    Neighbour,
    Observation,
    Prediction,
    Sample,
)
from tools.models.tiny_tflite import float_model, random_layers

START = datetime(2026, 11, 2, 9, 30, 0, 123456, tzinfo=UTC)
KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"the release key of the tests").digest())
TRUSTED = {key_id(KEY.public_key()): KEY.public_key()}
INPUT_SHAPE = (4, 4, 1)
CLASS_COUNT = 3
MODEL = ModelReference(model_name="tiny", version=1, bundle_sha256="ab" * 32, feature_space="cd" * 32)


class HandClock:
    """Stands still until a test moves it; ids count."""

    def __init__(self) -> None:
        self.moment = START
        self.seconds = 100.0
        self._count = 0

    def now(self) -> datetime:
        return self.moment

    def monotonic_s(self) -> float:
        return self.seconds

    def new_id(self) -> str:
        self._count += 1
        return f"01930000-0000-7000-8000-{self._count:012d}"

    def forward(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)
        self.seconds += seconds


def tiny_model(seed: int = 0) -> bytes:
    """A float extractor: (4, 4, 1) pixels in, 6 values out."""
    return float_model(random_layers((16, 6), seed=seed), input_shape=(1, *INPUT_SHAPE))


def labelled_images(count: int, *, seed: int = 0) -> tuple[NDArray[np.uint8], list[str]]:
    """Pictures of three classes, each bright in another row; ``(count, 4, 4, 1) uint8``."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, CLASS_COUNT, count)
    images = rng.integers(0, 40, (count, *INPUT_SHAPE))
    images[np.arange(count), classes] += 180
    return images.astype(np.uint8), [f"row-{number}" for number in classes]


def novel_images(count: int, *, seed: int = 1) -> NDArray[np.uint8]:
    """Pictures of no known class: bright in the last row and the last column, dark elsewhere."""
    images = np.random.default_rng(seed).integers(0, 40, (count, *INPUT_SHAPE))
    images[:, 3] += 200
    images[:, :, 3] = np.minimum(images[:, :, 3] + 200, 255)
    return images.astype(np.uint8)


def tiny_release(**changes: object) -> Release:
    """What the maker of a tiny bundle decides."""
    fields: dict[str, object] = {
        "model_name": "tiny",
        "release_counter": 1,
        "class_names": [f"row-{number}" for number in range(CLASS_COUNT)],
        "input_shape": INPUT_SHAPE,
        "input_dtype": "float32",
        "runtime": find_engine()[1],
        "platforms": (),
        "metrics": {"reference_accuracy": 0.97},
    }
    return Release(**(fields | changes))  # type: ignore[arg-type]  # fields are checked by build_bundle


def package(
    number: int,
    *,
    priority: Priority = Priority.SAMPLES,
    content: bytes = b"records",
    size_bytes: int | None = None,
) -> NewPackage:
    """A package whose bytes mean nothing; ``size_bytes`` pads them."""
    content = content if size_bytes is None else bytes(size_bytes)
    return NewPackage(
        package=OutgoingPackage(
            package_id=f"01940000-0000-7000-8000-{number:012d}",
            priority=priority,
            size_bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            create_time=START,
        ),
        content=content,
    )


def observation(index: int = 0, *, values: Sequence[float] = (0.5, -1.25, 3.0)) -> Observation:
    """A classified frame."""
    return Observation(
        source_index=index,
        capture_time=START,
        embedding=np.array(values, np.float32),
        point=np.array(values[:2], np.float32),
        prediction=Prediction(
            label="row-1",
            confidence=0.8,
            neighbours=(Neighbour(sample_id="reference/7", label="row-1", distance=0.25),),
            mean_distance=0.25,
        ),
    )


def sample(number: int = 1, *, drift_event_id: str = "", image: Image | None = None) -> Sample:
    """A piece of evidence."""
    return Sample(
        sample_id=f"01950000-0000-7000-8000-{number:012d}",
        drift_event_id=drift_event_id,
        model=MODEL,
        observation=observation(number),
        distance_score=4.5,
        image=image,
    )


def drift_event(number: int = 1, *, recovery_index: int | None = None) -> DriftEvent:
    """A drift that was noticed at frame 40."""
    return DriftEvent(
        drift_event_id=f"01960000-0000-7000-8000-{number:012d}",
        model=MODEL,
        alarm=Alarm(
            detector="knn_distance.page_hinkley",
            type=DriftType.KNN_DISTANCE,
            statistic=12.0,
            threshold=10.0,
            shift_sigma=2.5,
            start_index=30,
            detect_index=40,
        ),
        start_time=START,
        detect_time=START + timedelta(seconds=10),
        recovery_index=recovery_index,
        recovery_time=None if recovery_index is None else START + timedelta(seconds=60),
    )
