"""What a classifier knows of its stored samples besides their points: one list per fact, one row per sample."""

from dataclasses import dataclass, field
from typing import TypeVar

_Value = TypeVar("_Value")


@dataclass(slots=True, kw_only=True)
class SampleColumns:
    """Lists of equal length; a row that leaves is replaced by the last one.

    ``sequences`` number the samples in the order they came, and so tell their age without a clock.
    """

    labels: list[str] = field(default_factory=list)
    sample_ids: list[str] = field(default_factory=list)
    trusted: list[bool] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    sequences: list[int] = field(default_factory=list)
    next_sequence: int = 0
    _rows: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._rows = {sample_id: row for row, sample_id in enumerate(self.sample_ids)}

    def __len__(self) -> int:
        return len(self.labels)

    def row_of(self, sample_id: str) -> int | None:
        """Returns the row of a sample, or None when it is not stored."""
        return self._rows.get(sample_id)

    def append(self, label: str, sample_id: str, trusted: bool, weight: float) -> int:
        """Adds a sample whose id is new; returns its row."""
        row = len(self)
        self.labels.append(label)
        self.sample_ids.append(sample_id)
        self.trusted.append(trusted)
        self.weights.append(weight)
        self.sequences.append(self.next_sequence)
        self.next_sequence += 1
        self._rows[sample_id] = row
        return row

    def drop(self, row: int) -> None:
        """Removes a row; the last one takes its place."""
        del self._rows[self.sample_ids[row]]
        if row != len(self) - 1:
            self._rows[self.sample_ids[-1]] = row
        _replace_by_last(self.labels, row)
        _replace_by_last(self.sample_ids, row)
        _replace_by_last(self.trusted, row)
        _replace_by_last(self.weights, row)
        _replace_by_last(self.sequences, row)


def _replace_by_last(column: list[_Value], row: int) -> None:
    column[row] = column[-1]
    column.pop()
