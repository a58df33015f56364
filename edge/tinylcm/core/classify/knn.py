"""The classifier of a device: a bounded set of labelled points and a vote among the nearest."""

import math
from collections.abc import Callable, Collection, Sequence
from enum import Enum
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from tinylcm.core.classify.condensing import choose_leaver
from tinylcm.core.classify.distances import FloatMatrix, Metric
from tinylcm.core.classify.knn_state import pack, unpack
from tinylcm.core.classify.samples import SampleRows
from tinylcm.core.classify.search import NumpySearch, PlainSearch, Search
from tinylcm.core.classify.voting import Ranked, Weighting, vote
from tinylcm.errors import InputError
from tinylcm.ports import Arrays, Json
from tinylcm.records import FloatVector, Neighbour, Prediction

_LARGEST_SQUARE = 1e36
_Choice = TypeVar("_Choice", bound=Enum)
_SEARCHES: dict[str, Callable[[FloatMatrix, Metric], Search]] = {"numpy": NumpySearch, "python": PlainSearch}


class LightweightKNN:
    """At most ``capacity`` samples; a full store gives up one for each that it takes, see `condensing`.

    Trusted samples are originals and what a person labelled; untrusted ones never push them out. Equal distances
    are ordered by age, so the same samples added in the same order give the same answers.

    >>> knn = LightweightKNN(capacity=10, dimension_count=2, neighbour_count=1)
    >>> knn.add(np.array([0.0, 0.0]), "bag", "reference/0", trusted=True)
    True
    >>> knn.predict(np.array([0.0, 3.0])).neighbours
    (Neighbour(sample_id='reference/0', label='bag', distance=3.0),)
    """

    def __init__(
        self,
        capacity: int,
        dimension_count: int,
        neighbour_count: int = 5,
        metric: str = "euclidean",
        weighting: str = "inverse_square",
        *,
        search: str = "numpy",
    ) -> None:
        """Makes an empty classifier.

        Args:
            capacity: Most samples kept, at least 1.
            dimension_count: Length of a point, at least 1.
            neighbour_count: Neighbours that vote, at least 1.
            metric: A `Metric` by value.
            weighting: A `Weighting` by value.
            search: "numpy", or "python" for the slow path that needs no array.

        Raises:
            InputError: A count is below 1, or a name is unknown.
        """
        if min(capacity, dimension_count, neighbour_count) < 1:
            raise InputError("capacity, dimension_count and neighbour_count must be at least 1")
        self.capacity = capacity
        self.dimension_count = dimension_count
        self._shape = (dimension_count,)
        self.neighbour_count = neighbour_count
        self.metric = _named(Metric, metric, "metric")
        self.weighting = _named(Weighting, weighting, "weighting")
        self._search_name = search
        self._points = np.zeros((capacity, dimension_count), dtype=np.float32)
        self._search = _make_search(search, self._points, self.metric)
        self._samples = SampleRows()

    def __len__(self) -> int:
        return len(self._samples)

    def __contains__(self, sample_id: object) -> bool:
        return isinstance(sample_id, str) and self._samples.row_of(sample_id) is not None

    @property
    def points(self) -> FloatMatrix:
        """The stored points, ``(n, d) float32``, read-only; rows as in `labels` and `sample_ids`."""
        view = self._points[: len(self)]
        view.flags.writeable = False
        return view

    @property
    def labels(self) -> tuple[str, ...]:
        """Label of every row."""
        return tuple(sample.label for sample in self._samples)

    @property
    def sample_ids(self) -> tuple[str, ...]:
        """Id of every row."""
        return tuple(sample.sample_id for sample in self._samples)

    def point_of(self, sample_id: str) -> FloatVector | None:
        """Returns a copy of a stored point, ``(d,) float32``, or None when the sample is not stored."""
        row = self._samples.row_of(sample_id)
        return None if row is None else self._points[row].copy()

    def add(
        self, point: FloatVector, label: str, sample_id: str, trusted: bool, *, weight: float = 1.0
    ) -> bool:
        """Stores a sample, in place of an older one with its id; returns whether it was taken.

        Args:
            point: ``(d,)``.
            label: Its class.
            sample_id: Its identity.
            trusted: Whether a person or the training set vouches for the label.
            weight: What its vote counts, above 0.

        Raises:
            InputError: ``point`` has another shape or is not finite, ``label`` or ``sample_id`` is empty, or
                ``weight`` is not above 0.
        """
        checked = self._checked(point)
        if not label or not sample_id:
            raise InputError("label and sample_id must not be empty")
        if not 0 < weight < math.inf:
            raise InputError(f"weight: expected a finite number above 0, got {weight}")
        self.remove(sample_id)
        if len(self) == self.capacity and not self._make_room(label, trusted):
            return False
        row = self._samples.append(label, sample_id, float(weight), trusted)
        self._points[row] = checked
        self._search.refresh(len(self))
        return True

    def remove(self, sample_id: str) -> bool:
        """Drops a sample; returns whether it was there."""
        row = self._samples.row_of(sample_id)
        if row is None:
            return False
        self._samples.drop(row)
        self._points[row] = self._points[len(self)]
        self._search.refresh(len(self))
        return True

    def predict(self, point: FloatVector, *, excluding: Collection[str] = ()) -> Prediction:
        """Classifies a point ``(d,)`` by its nearest stored samples, those of ``excluding`` left out.

        Raises:
            InputError: ``point`` has another shape or is not finite, or no sample is stored.
        """
        query = self._checked(point)
        found, distances = self._search.nearest(query, self.neighbour_count, self._rows_of(excluding))
        if not found:
            raise InputError("the classifier holds no sample to compare with")
        # Samples start with their sequence: equal distances are ordered by age.
        nearest = sorted(zip(distances, map(self._samples.rows.__getitem__, found), strict=True))
        return self._prediction(nearest[: self.neighbour_count])

    def _rows_of(self, sample_ids: Collection[str]) -> Sequence[int]:
        if not sample_ids:
            return ()
        return [row for sample_id in sample_ids if (row := self._samples.row_of(sample_id)) is not None]

    def leave_one_out_predictions(self) -> list[Prediction]:
        """Predicts every stored sample from the others, rows as in `points`.

        Raises:
            InputError: Fewer than two samples are stored.
        """
        return [
            self.predict(self._points[row], excluding=(sample.sample_id,))
            for row, sample in enumerate(self._samples)
        ]

    def leave_one_out(self) -> tuple[NDArray[np.str_], NDArray[np.str_], NDArray[np.float64]]:
        """The same as columns: true labels, predicted labels and mean neighbour distances, each ``(n,)``."""
        predictions = self.leave_one_out_predictions()
        return (
            np.array(self.labels, dtype=np.str_),
            np.array([prediction.label for prediction in predictions], dtype=np.str_),
            np.array([prediction.mean_distance for prediction in predictions], dtype=np.float64),
        )

    def copy(self) -> Self:
        """Returns an independent classifier with the same samples."""
        return self.from_state(*self.state(), search=self._search_name)

    def state(self) -> tuple[Json, Arrays]:
        """Returns everything that `from_state` needs, without loss."""
        header = {
            "capacity": self.capacity,
            "dimension_count": self.dimension_count,
            "neighbour_count": self.neighbour_count,
            "metric": self.metric.value,
            "weighting": self.weighting.value,
        }
        return pack(header, self._samples, self.points)

    @classmethod
    def from_state(cls, meta: Json, arrays: Arrays, *, search: str = "numpy") -> Self:
        """Makes the classifier whose `state` this is.

        Raises:
            StateError: The state is damaged or of an unknown version.
        """
        header, samples, points = unpack(meta, arrays)
        knn = cls(**header, search=search)
        knn._points[: len(samples)] = points
        knn._samples = samples
        knn._search.refresh(len(samples))
        return knn

    def _checked(self, point: FloatVector) -> FloatVector:
        query = np.asarray(point, dtype=np.float32)
        if query.shape != self._shape:
            raise InputError(f"point: expected shape ({self.dimension_count},), got {query.shape}")
        # One product finds NaN and infinity faster than looking at every value.
        if not float(query.dot(query)) < _LARGEST_SQUARE:
            raise InputError("point: every value must be finite, and its length below 1e18")
        return query

    def _make_room(self, label: str, trusted: bool) -> bool:
        rows = self._samples.rows
        row = choose_leaver(self.points, rows, label, trusted)
        return row is not None and self.remove(rows[row].sample_id)

    def _prediction(self, nearest: list[Ranked]) -> Prediction:
        label, confidence = vote(nearest, self.weighting)
        return Prediction(
            label=label,
            confidence=confidence,
            neighbours=tuple(
                [Neighbour(sample.sample_id, sample.label, distance) for distance, sample in nearest]
            ),
            mean_distance=sum([distance for distance, _ in nearest]) / len(nearest),
        )


def _named(kind: type[_Choice], name: str, field: str) -> _Choice:
    try:
        return kind(name)
    except ValueError as error:
        known = ", ".join(str(choice.value) for choice in kind)
        raise InputError(f"{field}: expected one of {known}, got {name!r}") from error


def _make_search(name: str, points: FloatMatrix, metric: Metric) -> Search:
    if name not in _SEARCHES:
        raise InputError(f"search: expected one of {', '.join(_SEARCHES)}, got {name!r}")
    return _SEARCHES[name](points, metric)
