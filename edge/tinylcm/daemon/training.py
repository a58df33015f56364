"""What a model is made from: labelled samples, and samples that people judged, as embeddings of one extractor."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinylcm.adapters.exported import ExportedSample, ExportedSamples
from tinylcm.adapters.labelled_folder import read_picture
from tinylcm.adapters.tflite import TfliteExtractor
from tinylcm.daemon.labelled import embed, read_labelled
from tinylcm.errors import InputError
from tinylcm.records import FloatVector


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ground:
    """Everything a model is made from.

    Attributes:
        embeddings: ``(n, d) float32``.
        labels: The class of each.
        recordings: Which were taken together; None when that is not known of all of them.
        figures: What the bundle's manifest says of it.
    """

    embeddings: NDArray[np.float32]
    labels: tuple[str, ...]
    recordings: tuple[str, ...] | None
    figures: Mapping[str, float] = field(default_factory=dict)


def gather(
    images: Path | None, exports: Sequence[Path], extractor: TfliteExtractor, feature_space: str
) -> Ground:
    """Reads labelled samples and exported ones.

    Raises:
        InputError: There are none, or some cannot be read or do not fit the model.
    """
    parts = [_labelled(images, extractor)] if images is not None else []
    parts += [_exported(path, extractor, feature_space) for path in exports]
    if not parts:
        raise InputError("nothing to learn from: name --images, --samples, or both")
    if len({part.embeddings.shape[1] for part in parts}) > 1:
        raise InputError(f"embeddings of {sorted({part.embeddings.shape[1] for part in parts})} dimensions")
    return Ground(
        embeddings=np.concatenate([part.embeddings for part in parts]),
        labels=tuple(label for part in parts for label in part.labels),
        recordings=_recordings(parts),
        figures={
            name: sum(part.figures.get(name, 0.0) for part in parts)
            for part in parts
            for name in part.figures
        },
    )


def _recordings(parts: Sequence[Ground]) -> tuple[str, ...] | None:
    """Known when the first part, the labelled samples, knows its own; exported ones alone are no recordings."""
    if parts[0].recordings is None or "exported_sample_count" in parts[0].figures:
        return None
    return tuple(name for part in parts for name in part.recordings or ())


def _labelled(path: Path, extractor: TfliteExtractor) -> Ground:
    samples, labels = read_labelled(path, extractor.input_shape)
    return Ground(embeddings=embed(samples, extractor), labels=labels, recordings=samples.recordings())


def _exported(path: Path, extractor: TfliteExtractor, feature_space: str) -> Ground:
    def embed_picture(file: Path) -> FloatVector:
        return extractor.extract(read_picture(file, extractor.input_shape))

    read = list(ExportedSamples(path).read(feature_space, embed_picture))
    found: list[ExportedSample] = [sample for sample in read if sample is not None]
    if not found:
        raise InputError(f"{path.name} holds no sample with a picture, or with a vector of this extractor")
    return Ground(
        embeddings=np.stack([sample.embedding for sample in found]),
        labels=tuple(sample.label for sample in found),
        # Single moments that a device kept as evidence: each stands for itself.
        recordings=tuple(f"exported/{sample.sample_id}" for sample in found),
        figures={
            "exported_sample_count": float(len(found)),
            "exported_left_out_count": float(len(read) - len(found)),
        },
    )
