"""Hands predictions to their log without ever waiting for the disk."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future
from datetime import datetime
from typing import NamedTuple

from tinylcm.adapters.prediction_log import PredictionLog
from tinylcm.records import ModelReference, Prediction

_BLOCK = 512
_MOST_WAITING = 8192


class LoggedPrediction(NamedTuple):
    """What the log says of a frame; put into words by the disk's thread."""

    source_index: int
    capture_time: datetime
    prediction: Prediction
    drifting: bool
    model: ModelReference

    def entry(self) -> Mapping[str, object]:
        """Returns the line's values."""
        return {
            "source_index": self.source_index,
            "capture_time": self.capture_time.isoformat(),
            "label": self.prediction.label,
            "confidence": round(self.prediction.confidence, 4),
            "drifting": self.drifting,
            "model_version": self.model.version,
            "bundle_sha256": self.model.bundle_sha256,
        }


class Predictions:
    """Gathers lines and gives them to the disk's thread in blocks; used by the inference thread only.

    While the disk is busy with a block, lines wait; beyond 8,192 of them new ones are dropped and counted.
    """

    def __init__(self, log: PredictionLog, disk: Executor) -> None:
        self._log = log
        self._disk = disk
        self._waiting: list[LoggedPrediction] = []
        self._writing: Future[None] | None = None
        self._dropped_count = 0

    @property
    def lost_count(self) -> int:
        """Lines of this boot that the log does not have: the disk was full, broken or too slow for them."""
        return self._dropped_count + self._log.given_up_count

    def append(self, prediction: LoggedPrediction) -> None:
        """Takes one prediction; it reaches the file with the next block."""
        if len(self._waiting) >= _MOST_WAITING:
            self._dropped_count += 1
            return
        self._waiting.append(prediction)
        if len(self._waiting) % _BLOCK == 0:
            self.flush()

    def flush(self) -> None:
        """Hands over what waits, if the disk is done with the block before."""
        if self._waiting and (self._writing is None or self._writing.done()):
            self._hand_over(durably=False)

    def flush_durably(self) -> None:
        """Hands over what waits; it is on the disk before any job that the disk is given after it."""
        self._hand_over(durably=True)

    def _hand_over(self, *, durably: bool) -> None:
        waiting, self._waiting = self._waiting, []
        self._writing = self._disk.submit(self._write, waiting, durably)

    def _write(self, predictions: Sequence[LoggedPrediction], durably: bool) -> None:
        self._log.write([prediction.entry() for prediction in predictions], durably=durably)
