"""A classifier's samples as JSON values and arrays, and back with suspicion."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinylcm.core.classify.distances import FloatMatrix, Metric
from tinylcm.core.classify.samples import SampleRows, StoredSample
from tinylcm.core.classify.voting import Weighting
from tinylcm.errors import StateError
from tinylcm.ports import Arrays, Json

_VERSION = 1
_COUNTS = ("capacity", "dimension_count", "neighbour_count")


def pack(header: Json, samples: SampleRows, points: FloatMatrix) -> tuple[Json, Arrays]:
    """Returns JSON values and arrays; ``points`` is ``(n, d) float32``, labels are numbered by first appearance."""
    names = list(dict.fromkeys(sample.label for sample in samples))
    numbers = {name: number for number, name in enumerate(names)}
    meta = {
        "version": _VERSION,
        **header,
        "next_sequence": samples.next_sequence,
        "label_names": names,
        "sample_ids": [sample.sample_id for sample in samples],
    }
    arrays = {
        "points": points.copy(),
        "label_numbers": np.array([numbers[sample.label] for sample in samples], dtype=np.int32),
        "trusted": np.array([sample.trusted for sample in samples], dtype=np.bool_),
        "weights": np.array([sample.weight for sample in samples], dtype=np.float64),
        "sequences": np.array([sample.sequence for sample in samples], dtype=np.int64),
    }
    return meta, arrays


def unpack(meta: Json, arrays: Arrays) -> tuple[Json, SampleRows, FloatMatrix]:
    """Returns the header, the samples and their points.

    Raises:
        StateError: Something is missing, of an unknown version, or contradicts itself.
    """
    try:
        header = _header(meta)
        samples = _samples(meta, arrays)
        points = np.asarray(arrays["points"], dtype=np.float32)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise StateError(f"classifier: stored state is incomplete or damaged: {error}") from error
    _check(header, samples, points)
    return header, samples, points


def _header(meta: Json) -> Json:
    if meta["version"] != _VERSION:
        raise StateError(f"classifier: expected version {_VERSION}, got {meta['version']!r}")
    counts = {name: int(meta[name]) for name in _COUNTS}
    return counts | {
        "metric": Metric(meta["metric"]).value,
        "weighting": Weighting(meta["weighting"]).value,
    }


def _samples(meta: Json, arrays: Arrays) -> SampleRows:
    names = [str(name) for name in meta["label_names"]]
    numbers: NDArray[np.int32] = np.asarray(arrays["label_numbers"], dtype=np.int32)
    if len(numbers) and not 0 <= numbers.min() <= numbers.max() < len(names):
        raise StateError("classifier: a label number has no name")
    columns = (
        np.asarray(arrays["sequences"], dtype=np.int64).tolist(),
        [names[number] for number in numbers],
        [str(sample_id) for sample_id in meta["sample_ids"]],
        np.asarray(arrays["weights"], dtype=np.float64).tolist(),
        np.asarray(arrays["trusted"], dtype=np.bool_).tolist(),
    )
    return SampleRows(map(StoredSample, *_equally_long(columns)), int(meta["next_sequence"]))


def _equally_long(columns: tuple[list[Any], ...]) -> tuple[list[Any], ...]:
    if len({len(column) for column in columns}) != 1:
        raise StateError("classifier: columns have different lengths")
    return columns


def _check(header: Json, samples: SampleRows, points: FloatMatrix) -> None:
    count = len(samples)
    if min(header[name] for name in _COUNTS) < 1 or count > header["capacity"]:
        raise StateError(f"classifier: a count is below 1, or {count} samples exceed the capacity")
    if points.shape != (count, header["dimension_count"]) or not np.isfinite(points).all():
        raise StateError(f"classifier: points have shape {points.shape} or are not finite")
    if not all(0 < sample.weight < np.inf and sample.label and sample.sample_id for sample in samples):
        raise StateError("classifier: a weight is not above 0, or a label or sample id is empty")
    sequences = {sample.sequence for sample in samples}
    if len({sample.sample_id for sample in samples}) != count or len(sequences) != count:
        raise StateError("classifier: a sample id or a sequence occurs twice")
    if samples.next_sequence <= max(sequences, default=-1):
        raise StateError("classifier: next_sequence is not above every sequence")
