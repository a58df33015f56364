"""What the programs that hit crash points hit, and count."""

from __future__ import annotations

import zlib
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which of the points are hit.

    Attributes:
        most: Points at most, evenly spread, which take turns with the kinds of loss; None: all of both.
        part: First, of how many: a name is always in the same one, whatever else a run comes by.
    """

    most: int | None = None
    part: tuple[int, int] = (1, 1)

    def of(self, points: Sequence[str]) -> Iterator[tuple[str, Loss]]:
        """Yields points with what is lost there."""
        number, count = self.part
        mine = [point for point in points if zlib.crc32(point.encode()) % count == number - 1]
        if self.most is None:
            yield from ((point, loss) for point in mine for loss in Loss)
            return
        kinds = list(Loss)
        step = max(len(mine) // self.most, 1)
        yield from ((point, kinds[turn % len(kinds)]) for turn, point in enumerate(mine[::step][: self.most]))
