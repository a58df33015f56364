"""A classifier's samples as JSON values and arrays, and back with suspicion."""

import numpy as np
from numpy.typing import NDArray

from tinylcm.core.classify.distances import FloatMatrix, Metric
from tinylcm.core.classify.samples import SampleColumns
from tinylcm.core.classify.voting import Weighting
from tinylcm.errors import StateError
from tinylcm.ports import Arrays, Json

_VERSION = 1
_COUNTS = ("capacity", "dimension_count", "neighbour_count")


def pack(header: Json, samples: SampleColumns, points: FloatMatrix) -> tuple[Json, Arrays]:
    """Returns JSON values and arrays; ``points`` is ``(n, d) float32``, labels are numbered by first appearance."""
    names = list(dict.fromkeys(samples.labels))
    numbers = {name: number for number, name in enumerate(names)}
    meta = {
        "version": _VERSION,
        **header,
        "next_sequence": samples.next_sequence,
        "label_names": names,
        "sample_ids": list(samples.sample_ids),
    }
    arrays = {
        "points": points.copy(),
        "label_numbers": np.array([numbers[label] for label in samples.labels], dtype=np.int32),
        "trusted": np.array(samples.trusted, dtype=np.bool_),
        "weights": np.array(samples.weights, dtype=np.float64),
        "sequences": np.array(samples.sequences, dtype=np.int64),
    }
    return meta, arrays


def unpack(meta: Json, arrays: Arrays) -> tuple[Json, SampleColumns, FloatMatrix]:
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


def _samples(meta: Json, arrays: Arrays) -> SampleColumns:
    names = [str(name) for name in meta["label_names"]]
    numbers: NDArray[np.int32] = np.asarray(arrays["label_numbers"], dtype=np.int32)
    if len(numbers) and not 0 <= numbers.min() <= numbers.max() < len(names):
        raise StateError("classifier: a label number has no name")
    return SampleColumns(
        labels=[names[number] for number in numbers],
        sample_ids=[str(sample_id) for sample_id in meta["sample_ids"]],
        trusted=np.asarray(arrays["trusted"], dtype=np.bool_).tolist(),
        weights=np.asarray(arrays["weights"], dtype=np.float64).tolist(),
        sequences=np.asarray(arrays["sequences"], dtype=np.int64).tolist(),
        next_sequence=int(meta["next_sequence"]),
    )


def _check(header: Json, samples: SampleColumns, points: FloatMatrix) -> None:
    count = len(samples)
    columns = (samples.sample_ids, samples.trusted, samples.weights, samples.sequences)
    if any(len(column) != count for column in columns) or count > header["capacity"]:
        raise StateError(
            f"classifier: columns of different lengths, or more than {header['capacity']} samples"
        )
    if points.shape != (count, header["dimension_count"]) or not np.isfinite(points).all():
        raise StateError(f"classifier: points have shape {points.shape} or are not finite")
    if min(header[name] for name in _COUNTS) < 1 or len(set(samples.sample_ids)) != count:
        raise StateError("classifier: a count is below 1, or a sample id occurs twice")
    if not all(0 < weight < np.inf for weight in samples.weights):
        raise StateError("classifier: a weight is not above 0")
    if len({*samples.sequences, samples.next_sequence}) != count + 1 or (
        samples.next_sequence < max(samples.sequences, default=0)
    ):
        raise StateError("classifier: a sequence occurs twice, or next_sequence is not above all of them")
