"""Evidence as a device would send it: real images, the committed extractor, and the neighbours that really voted."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from demo.dataset import Subset, load_subset
from tinylcm.adapters.png import PngEncoder
from tinylcm.adapters.tflite import TfliteExtractor
from tinylcm.core.classify.knn import LightweightKNN
from tinylcm.core.classify.transform import Transform, fit_transform_parameters
from tinymlops.v1 import device_pb2, drift_pb2

MODEL_PATH = Path(__file__).resolve().parents[2] / "models" / "fashion_cnn" / "model.tflite"
UNKNOWN_CLASSES = ("bag", "trouser")
REFERENCE_COUNT = 600
COMPONENT_COUNT = 32
SAMPLE_INTERVAL = timedelta(seconds=2)


def stable_id(*parts: object) -> str:
    """The same id for the same parts: tests name what they mean."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(map(str, parts))))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Classifier:
    """What a device carries, fitted on `REFERENCE_COUNT` images of the eight known classes."""

    extractor: TfliteExtractor
    transform: Transform
    neighbours: LightweightKNN
    reference_distance_mean: float
    reference_distance_std: float

    @property
    def model(self) -> device_pb2.ModelReference:
        """How the contract names it."""
        return device_pb2.ModelReference(
            model_name="fashion",
            version=1,
            bundle_sha256=self.extractor.feature_space,
            feature_space=self.extractor.feature_space,
        )

    def sample(self, image: NDArray[np.uint8]) -> drift_pb2.Sample:
        """Classifies one image ``(28, 28) uint8``; ids and moments are the caller's."""
        embedding = self.extractor.extract(image[..., None])
        prediction = self.neighbours.predict(self.transform.apply(embedding))
        excess = prediction.mean_distance - self.reference_distance_mean
        picture = PngEncoder().encode(image)
        assert picture is not None
        return drift_pb2.Sample(
            model=self.model,
            predicted_label=prediction.label,
            confidence=prediction.confidence,
            distance_score=excess / self.reference_distance_std,
            embedding=drift_pb2.Embedding(
                values=embedding.astype("<f4").tobytes(),
                dimension_count=embedding.size,
                feature_space=self.extractor.feature_space,
            ),
            neighbours=[drift_pb2.Neighbour(**one._asdict()) for one in prediction.neighbours],
            image=picture.content,
            image_format=drift_pb2.IMAGE_FORMAT_PNG,
        )


@functools.cache
def subset() -> Subset:
    """The committed images."""
    return load_subset()


@functools.cache
def classifier() -> Classifier:
    """Fitted once a test run."""
    images = subset()
    reference = images.split("reference")
    names = np.array(images.class_names)[reference.labels]
    known = np.flatnonzero(~np.isin(names, UNKNOWN_CLASSES))[:REFERENCE_COUNT]
    extractor = TfliteExtractor(MODEL_PATH.read_bytes())
    embeddings = np.stack([extractor.extract(reference.images[row][..., None]) for row in known])
    transform = fit_transform_parameters(embeddings, COMPONENT_COUNT)
    neighbours = LightweightKNN(capacity=2 * len(known), dimension_count=COMPONENT_COUNT)
    for row, point in zip(known, transform.apply_many(embeddings), strict=True):
        neighbours.add(point, str(names[row]), f"reference/{row}", trusted=True)
    distances = neighbours.leave_one_out()[2]
    return Classifier(
        extractor=extractor,
        transform=transform,
        neighbours=neighbours,
        reference_distance_mean=float(distances.mean()),
        reference_distance_std=float(distances.std()),
    )


def samples(
    event: drift_pb2.DriftEvent, class_counts: Mapping[str, int], *, with_images: bool = True
) -> tuple[list[drift_pb2.Sample], dict[str, str]]:
    """Samples of one event, drawn from the stream split and shuffled by the event's id.

    Returns:
        The samples in the order the device saw them, and their true class by sample id.
    """
    stream = subset().split("stream")
    names = np.array(subset().class_names)[stream.labels]
    rng = np.random.default_rng(uuid.UUID(event.drift_event_id).int % 2**32)
    rows = [
        row
        for name, count in class_counts.items()
        for row in rng.choice(np.flatnonzero(names == name), count, replace=False)
    ]
    told, truth = [], {}
    for place, row in enumerate(rng.permutation(rows)):
        sample = classifier().sample(stream.images[row])
        sample.sample_id = stable_id(event.drift_event_id, place)
        sample.device_id, sample.drift_event_id = event.device_id, event.drift_event_id
        sample.source_index = event.start_index + 3 * place
        sample.capture_time.FromDatetime(_moment(event) + place * SAMPLE_INTERVAL)
        if not with_images:
            sample.ClearField("image")
            sample.ClearField("image_format")
        told.append(sample)
        truth[sample.sample_id] = str(names[row])
    return told, truth


def _moment(event: drift_pb2.DriftEvent) -> datetime:
    return event.start_time.ToDatetime()
