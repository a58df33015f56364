"""What the programs that hit crash points count."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from tests.reliability.transfer_disk import LosingDisk


class Loss(Enum):
    """What a process takes with it when it ends."""

    NOTHING = auto()
    """`kill -9`: what the kernel holds stays."""
    ALL_UNSYNCED = auto()
    """A power cut, at its worst."""
    SOME_UNSYNCED = auto()
    """A power cut, of which anything may have got through."""


@dataclass(slots=True, kw_only=True)
class CrashTally:
    """What was counted.

    Attributes:
        points: Names of all crash points.
        missed: Of these, what was not passed again, since it takes two threads to meet.
        faults: Broken promises.
    """

    points: Sequence[str] = ()
    cuts: int = 0
    missed: list[str] = field(default_factory=list)
    unsynced_bytes: int = 0
    unsynced_names: int = 0
    faults: list[str] = field(default_factory=list)

    def figures(self) -> dict[str, int]:
        """The numbers."""
        return {
            "crash_points": len(self.points),
            "cuts": self.cuts,
            "missed": len(self.missed),
            "unsynced_bytes": self.unsynced_bytes,
            "unsynced_names": self.unsynced_names,
            "faults": len(self.faults),
        }

    def count_losses(self, disk: LosingDisk) -> None:
        """Takes over what the disk lost."""
        self.unsynced_bytes, self.unsynced_names = disk.lost_bytes, disk.lost_names


def spread_evenly(points: Sequence[str], most: int | None) -> Iterator[tuple[str, Loss]]:
    """Yields each point, or at most so many, with every kind of loss; few points take turns with the kinds."""
    if most is None:
        yield from ((point, loss) for point in points for loss in Loss)
        return
    kinds = list(Loss)
    step = max(len(points) // most, 1)
    yield from ((point, kinds[turn % len(kinds)]) for turn, point in enumerate(points[::step][:most]))
