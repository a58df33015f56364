"""Skeleton: signatures are final, bodies follow."""

from collections.abc import Collection
from enum import Enum
from typing import Self

from tinylcm.core.classify.transform import FloatMatrix
from tinylcm.ports import Arrays, Json
from tinylcm.records import FloatVector, Prediction


class Metric(Enum):
    EUCLIDEAN = "euclidean"
    MANHATTAN = "manhattan"
    COSINE = "cosine"


class Weighting(Enum):
    COUNT = "count"
    INVERSE_SQUARE = "inverse_square"


class LightweightKNN:
    def __init__(
        self,
        capacity: int,
        dimension_count: int,
        neighbour_count: int = 5,
        metric: str = "euclidean",
        weighting: str = "inverse_square",
    ) -> None: ...

    def __len__(self) -> int: ...

    @property
    def points(self) -> FloatMatrix: ...

    @property
    def labels(self) -> list[str]: ...

    @property
    def sample_ids(self) -> list[str]: ...

    def add(self, point: FloatVector, label: str, sample_id: str, trusted: bool, *, weight: float = 1.0) -> bool: ...

    def remove(self, sample_id: str) -> bool: ...

    def predict(self, point: FloatVector, *, excluding: Collection[str] = ()) -> Prediction: ...

    def leave_one_out(self) -> tuple[list[str], list[str], list[float]]: ...

    def copy(self) -> Self: ...

    def state(self) -> tuple[Json, Arrays]: ...

    @classmethod
    def from_state(cls, meta: Json, arrays: Arrays) -> Self: ...
