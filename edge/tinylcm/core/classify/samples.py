"""What a classifier knows of its stored samples besides their points, one row per sample."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple


class StoredSample(NamedTuple):
    """The facts of one row, made once: every prediction reads several of them.

    ``sequence`` numbers the samples in the order they came, and so tells their age without a clock.
    """

    sequence: int
    label: str
    sample_id: str
    weight: float
    trusted: bool


class SampleRows:
    """Rows in the order of the matrix of points; a row that leaves is replaced by the last one."""

    def __init__(self, samples: Iterable[StoredSample] = (), next_sequence: int = 0) -> None:
        self.rows = list(samples)
        self.next_sequence = next_sequence
        self._row_of = {sample.sample_id: row for row, sample in enumerate(self.rows)}

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[StoredSample]:
        return iter(self.rows)

    def row_of(self, sample_id: str) -> int | None:
        """Returns the row of a sample, or None when it is not stored."""
        return self._row_of.get(sample_id)

    def append(self, label: str, sample_id: str, weight: float, trusted: bool) -> int:
        """Adds a sample whose id is new; returns its row."""
        row = len(self.rows)
        self.rows.append(StoredSample(self.next_sequence, label, sample_id, weight, trusted))
        self.next_sequence += 1
        self._row_of[sample_id] = row
        return row

    def drop(self, row: int) -> None:
        """Removes a row; the last one takes its place."""
        last = self.rows.pop()
        if row < len(self.rows):
            del self._row_of[self.rows[row].sample_id]
            self.rows[row] = last
            self._row_of[last.sample_id] = row
        else:
            del self._row_of[last.sample_id]
