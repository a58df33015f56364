"""What a device has learned, as one value: projection, stored samples, calibration, class names."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from tinylcm.core.classify.knn import LightweightKNN
from tinylcm.core.classify.transform import Transform
from tinylcm.core.drift.calibration import Calibration
from tinylcm.ports import Arrays, Json


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LearnedState:
    """Everything but the extractor. `runtime` names the engine that made the embeddings."""

    transform: Transform
    knn: LightweightKNN
    calibration: Calibration
    class_names: tuple[str, ...]
    runtime: str

    def parts(self) -> tuple[Json, Arrays]: ...

    @classmethod
    def from_parts(cls, meta: Json, arrays: Arrays) -> Self: ...


def learn(
    embeddings: NDArray[np.float32],
    labels: list[str],
    *,
    component_count: int = 32,
    capacity: int,
    budget_predictions: int = 10_000,
    rng: np.random.Generator,
    runtime: str,
) -> LearnedState: ...
