"""The classes a device saw lately while nothing was wrong: what a label-free correction holds on to."""

from collections import Counter, deque
from collections.abc import Sequence
from typing import Any, Self

from tinylcm.errors import InputError


class PredictedMix:
    """The last ``frame_count`` predicted classes of undrifted frames, by source index.

    >>> mix = PredictedMix(2)
    >>> for index, label in enumerate(("bag", "coat", "coat")):
    ...     mix.add(index, label)
    >>> mix.before(3), mix.before(2)
    (Counter({'coat': 2}), Counter({'coat': 1}))
    """

    def __init__(self, frame_count: int) -> None:
        """Makes an empty memory; raises InputError when ``frame_count`` is below 1."""
        if frame_count < 1:
            raise InputError(f"frame_count: expected at least 1, got {frame_count}")
        self._frames: deque[tuple[int, str]] = deque(maxlen=frame_count)

    def add(self, source_index: int, label: str) -> None:
        """Remembers a prediction; the oldest is forgotten."""
        self._frames.append((source_index, label))

    def before(self, source_index: int) -> Counter[str]:
        """Counts the classes of the frames before ``source_index``: those since then belong to a drift."""
        return Counter(label for index, label in self._frames if index < source_index)

    def state(self) -> dict[str, Any]:
        """Returns JSON values."""
        names = sorted({label for _, label in self._frames})
        numbers = {name: number for number, name in enumerate(names)}
        return {
            "names": names,
            "frames": [[index, numbers[label]] for index, label in self._frames],
        }

    @classmethod
    def from_state(cls, names: Sequence[Any], frames: Sequence[Sequence[Any]], frame_count: int) -> Self:
        """Makes the memory whose `state` this is; a smaller one keeps the newest."""
        mix = cls(frame_count)
        for index, number in frames:
            mix.add(int(index), str(names[int(number)]))
        return mix
