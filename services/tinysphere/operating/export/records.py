"""What is exported, and which of it."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from tinysphere.domain.devices import ModelReference
from tinysphere.domain.drift import Decision, ImageFormat


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JudgedSample:
    """A sample that people judged.

    Attributes:
        label: What they say it shows; empty when it must not be learnt from.
        embedding: ``(d,) float32``, in ``model.feature_space``.
        image_format: None for a sample without a picture.
    """

    sample_id: str
    device_id: str
    drift_event_id: str
    model: ModelReference
    capture_time: datetime
    predicted_label: str
    confidence: float
    decision: Decision
    label: str
    embedding: NDArray[np.float32]
    image_format: ImageFormat | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which samples are exported; empty or None for all.

    Attributes:
        since: Only samples captured at that moment or later, by their devices' clocks.
    """

    model_name: str = ""
    feature_space: str = ""
    drift_event_id: str = ""
    device_id: str = ""
    since: datetime | None = None

    def holds(self, sample: JudgedSample) -> bool:
        """Whether a sample is wanted; event and device are left to the server."""
        return (
            self.model_name in ("", sample.model.model_name)
            and self.feature_space in ("", sample.model.feature_space)
            and (self.since is None or sample.capture_time >= self.since)
        )
