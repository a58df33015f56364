"""What a device has learned, as one value: projection, stored samples, calibration, class names."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from tinylcm.core.adapt.restandardise import ClassMoments, Correction, class_moments
from tinylcm.core.classify.knn import LightweightKNN
from tinylcm.core.classify.transform import Transform, fit_transform_parameters
from tinylcm.core.drift.calibration import Calibration
from tinylcm.core.order import distinct
from tinylcm.errors import InputError, StateError
from tinylcm.pipeline.judged import Judged, calibrate_judged, judge_all, judge_recordings
from tinylcm.pipeline.packing import nested, reading, unnested
from tinylcm.ports import Arrays, Json
from tinylcm.records import FloatVector

REFERENCE_PREFIX = "reference/"
"""Ids of the samples a model was made with start so; those of a device's own samples never do."""

COMPONENT_COUNT = 64
"""Dimensions of a point when nothing else is said."""

_VERSION = 1
_TRANSFORM = ("scaler_mean", "scaler_scale", "pca_mean", "components")


class ReferenceSample(NamedTuple):
    """A sample that the model was made with."""

    sample_id: str
    label: str
    point: FloatVector


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LearnedState:
    """Everything but the extractor. Never changed: an adaptation makes another one.

    Attributes:
        transform: As fitted on the reference.
        correction: What undoes a change of the sensor since then.
        knn: Stored samples, in the space of the corrected transform.
        calibration: What is normal, and the limits of the monitors.
        class_names: Classes of the reference, then those learned since.
        moments: Of the reference embeddings, for re-standardising.
        projection: `transform` with `correction` built in.
    """

    transform: Transform
    correction: Correction
    knn: LightweightKNN
    calibration: Calibration
    class_names: tuple[str, ...]
    moments: ClassMoments
    projection: Transform = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "projection", self.correction.applied_to(self.transform))

    @property
    def runtime(self) -> str:
        """Engine and version that made the reference embeddings."""
        return self.calibration.runtime

    def reference(self) -> list[ReferenceSample]:
        """Returns the stored samples that the model was made with."""
        rows = zip(self.knn.sample_ids, self.knn.labels, self.knn.points, strict=True)
        return [ReferenceSample(*row) for row in rows if row[0].startswith(REFERENCE_PREFIX)]

    def parts(self) -> tuple[Json, Arrays]:
        """Returns everything as JSON values and arrays, without loss."""
        knn_meta, knn_arrays = self.knn.state()
        meta = {
            "version": _VERSION,
            "class_names": list(self.class_names),
            "reference_class_names": list(self.moments.class_names),
            "knn": knn_meta,
            "calibration": self.calibration.to_json(),
        }
        arrays = {
            **nested("transform", {name: getattr(self.transform, name) for name in _TRANSFORM}),
            **nested("correction", {"scale": self.correction.scale, "offset": self.correction.offset}),
            **nested("moments", {"means": self.moments.means, "variances": self.moments.variances}),
            **nested("knn", knn_arrays),
        }
        return meta, arrays

    @classmethod
    def from_parts(cls, meta: Json, arrays: Arrays) -> Self:
        """Makes the state whose `parts` these are.

        Raises:
            StateError: They are damaged, contradict each other, or are of an unknown version.
        """
        if meta.get("version") != _VERSION:
            raise StateError(f"learned state: expected version {_VERSION}, got {meta.get('version')!r}")
        try:
            with reading("learned state"):
                learned = cls(
                    transform=Transform(
                        **{name: _column(arrays, f"transform.{name}") for name in _TRANSFORM}
                    ),
                    correction=_correction(arrays),
                    knn=LightweightKNN.from_state(meta["knn"], unnested("knn", arrays)),
                    calibration=Calibration.from_json(meta["calibration"]),
                    class_names=tuple(str(name) for name in meta["class_names"]),
                    moments=_moments(meta, arrays),
                )
        except InputError as error:
            raise StateError(f"learned state: {error}") from error
        if learned.knn.dimension_count != learned.projection.point_dimension_count:
            raise StateError("learned state: classifier and projection have different dimensions")
        return learned


def learn(
    embeddings: NDArray[np.float32],
    labels: Sequence[str],
    *,
    component_count: int | None = None,
    capacity: int,
    budget_predictions: int = 10_000,
    recordings: Sequence[str] | None = None,
    rng: np.random.Generator,
    runtime: str,
) -> LearnedState:
    """Makes the first state of a device from labelled embeddings.

    All of them shape the projection and the calibration; the classifier keeps at most ``capacity``, drawn evenly from
    the classes.
    Leave room in ``capacity`` for what the device will learn.

    Args:
        embeddings: ``(n, d) float32``, made by the runtime that will run on the device.
        labels: Their classes, ``(n,)``.
        component_count: Dimensions of a point; when None 64, or as many as there are.
        capacity: Most samples that the classifier will ever hold.
        budget_predictions: At most one false alarm in this many predictions.
        recordings: Which recording each comes from, ``(n,)``, for a stream whose neighbours in time are alike: the
            embeddings are in recording order, and the monitors are calibrated on recordings as a whole.
        rng: Source of the draw and of the calibration.
        runtime: Engine and version that made the embeddings.

    Raises:
        InputError: Fewer than two samples or recordings, lengths that differ, an empty label, values that are not
            finite, a budget out of its range, or a component count outside 1 to min(n, d).
    """
    if len(labels) != len(embeddings):
        raise InputError(f"expected a label for each of {len(embeddings)} embeddings, got {len(labels)}")
    if recordings is not None and len(recordings) != len(embeddings):
        raise InputError(f"expected a recording for each of {len(embeddings)}, got {len(recordings)}")
    if component_count is None:
        component_count = min(COMPONENT_COUNT, *embeddings.shape)
    transform = fit_transform_parameters(embeddings, component_count)
    knn = LightweightKNN(capacity, component_count)
    points = transform.apply_many(embeddings)
    for row in _drawn_evenly(labels, capacity, rng):
        knn.add(points[row], labels[row], f"{REFERENCE_PREFIX}{row}", trusted=True)
    moments = class_moments(embeddings, labels)
    judged = _judge(knn, points, labels, recordings)
    return LearnedState(
        transform=transform,
        correction=Correction.identity(transform.embedding_dimension_count),
        knn=knn,
        calibration=calibrate_judged(
            judged, budget_predictions=budget_predictions, recordings=recordings, rng=rng, runtime=runtime
        ),
        class_names=moments.class_names,
        moments=moments,
    )


def _judge(
    knn: LightweightKNN,
    points: NDArray[np.float32],
    labels: Sequence[str],
    recordings: Sequence[str] | None,
) -> Judged:
    sample_ids = [f"{REFERENCE_PREFIX}{row}" for row in range(len(points))]
    if recordings is None:
        return judge_all(knn, points, labels, sample_ids)
    recording_of = dict(zip(sample_ids, recordings, strict=True))
    return judge_recordings(knn, points, labels, recordings, recording_of)


def _drawn_evenly(labels: Sequence[str], count: int, rng: np.random.Generator) -> list[int]:
    """At most ``count`` rows, as evenly from the classes as they allow, ascending."""
    if len(labels) <= count:
        return list(range(len(labels)))
    names = np.asarray(labels, dtype=np.str_)
    queues = [list(rng.permutation(np.flatnonzero(names == name))) for name in distinct(names)]
    rows: list[int] = []
    while len(rows) < count:
        rows.extend(int(queue.pop()) for queue in queues if queue)
    return sorted(rows[:count])


def _column(arrays: Arrays, name: str) -> NDArray[np.float64]:
    return np.asarray(arrays[name], dtype=np.float64)


def _correction(arrays: Arrays) -> Correction:
    return Correction(scale=_column(arrays, "correction.scale"), offset=_column(arrays, "correction.offset"))


def _moments(meta: Json, arrays: Arrays) -> ClassMoments:
    names = tuple(str(name) for name in meta["reference_class_names"])
    means, variances = _column(arrays, "moments.means"), _column(arrays, "moments.variances")
    if means.shape != variances.shape or len(means) != len(names):
        raise StateError("learned state: moments and class names do not match")
    return ClassMoments(class_names=names, means=means, variances=variances)
