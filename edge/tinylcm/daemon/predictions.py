"""Hands predictions to their log without ever waiting for the disk."""

from collections.abc import Mapping
from concurrent.futures import Executor, Future

from tinylcm.adapters.prediction_log import PredictionLog

_BLOCK = 512
_MOST_WAITING = 8192


class Predictions:
    """Gathers lines and gives them to the disk's thread in blocks; used by the inference thread only.

    While the disk is busy with a block, lines wait; beyond 8,192 of them new ones are dropped and counted.
    """

    def __init__(self, log: PredictionLog, disk: Executor) -> None:
        self._log = log
        self._disk = disk
        self._waiting: list[Mapping[str, object]] = []
        self._writing: Future[None] | None = None
        self._dropped_count = 0

    @property
    def lost_count(self) -> int:
        """Lines of this boot that the log does not have: the disk was full, broken or too slow for them."""
        return self._dropped_count + self._log.given_up_count

    def append(self, entry: Mapping[str, object]) -> None:
        """Takes one prediction; it reaches the file with the next block."""
        if len(self._waiting) >= _MOST_WAITING:
            self._dropped_count += 1
            return
        self._waiting.append(entry)
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
        entries, self._waiting = self._waiting, []
        self._writing = self._disk.submit(self._log.write, entries, durably=durably)
