"""What a device counted, boot by boot, until a server has heard of it.

The server adds up a device's boots and believes the newest sequence of each, so a boot may be told of at any later time
and more than once. What each boot counted is part of every checkpoint: a boot that met no server is told of by a
later one, with its own id.

Bound. When there are more than `MOST_BOOTS`, the two oldest of those that no heartbeat was ever made for are added up,
under the id of the younger: however often a device starts alone, no count is lost. Boots that a heartbeat was made for
are never added to others, since the server may have heard it; the oldest of these is given up when there are more.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Self

from tinylcm.errors import StateError
from tinylcm.ports import Json
from tinylcm.sync.local import DeviceReport
from tinylcm.sync.tally import TransferTally

MOST_BOOTS = 32

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class BootCount:
    """The counters of one boot; fields as in `DeviceCounters`, `sequence` is that of the last heartbeat made for it."""

    boot_id: str
    sequence: int = 0
    prediction_count: int = 0
    drift_event_count: int = 0
    adaptation_count: int = 0
    package_count: int = 0
    link_failure_count: int = 0
    sent_bytes: int = 0
    resent_bytes: int = 0

    @property
    def counters(self) -> dict[str, int]:
        """The counts by name."""
        return {name: getattr(self, name) for name in _COUNTERS}

    @classmethod
    def from_json(cls, stored: Json) -> Self:
        """Reads one that `asdict` wrote; raises StateError when it is damaged."""
        try:
            counts = {name: int(stored[name]) for name in ("sequence", *_COUNTERS)}
            return cls(boot_id=str(stored["boot_id"]), **counts)
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(f"counters of a boot are damaged: {error!r}") from error


_COUNTERS = tuple(field.name for field in fields(BootCount) if field.name not in ("boot_id", "sequence"))


class Boots:
    """This boot and those before it that no server is known to have heard of.

    The inference thread asks for `state`, the sync thread tells what was heard; each change replaces the whole.

    Args:
        boot_id: UUIDv7 of this boot.
        report: Tells what the pipeline counted.
        tally: What was transferred.
    """

    def __init__(self, boot_id: str, report: Callable[[], DeviceReport], tally: TransferTally) -> None:
        self._report = report
        self._tally = tally
        self._boot_id = boot_id
        self._sequence = 0
        self._earlier: tuple[BootCount, ...] = ()

    @property
    def earlier(self) -> tuple[BootCount, ...]:
        """Boots before this one that are still to be told of, oldest first."""
        return self._earlier

    def present(self) -> BootCount:
        """Returns what this boot has counted."""
        report = self._report()
        counts = BootCount(
            boot_id=self._boot_id,
            prediction_count=report.prediction_count,
            drift_event_count=report.drift_event_count,
            adaptation_count=report.adaptation_count,
            package_count=self._tally.package_count,
            link_failure_count=self._tally.link_failure_count,
            sent_bytes=self._tally.sent_bytes,
            resent_bytes=self._tally.resent_bytes,
        )
        # Last, so that what is stored under a sequence is never more than its heartbeat could say.
        return replace(counts, sequence=self._sequence)

    def next_heartbeat(self, boot: BootCount | None = None) -> BootCount:
        """Returns what the next heartbeat says of an earlier boot, or of this one, under the sequence it has."""
        if boot is None:
            self._sequence += 1
            return self.present()
        told = replace(boot, sequence=boot.sequence + 1)
        self._earlier = tuple(told if it.boot_id == boot.boot_id else it for it in self._earlier)
        return told

    def heard(self, boot_id: str) -> None:
        """The server has the counters of an earlier boot."""
        self._earlier = tuple(boot for boot in self._earlier if boot.boot_id != boot_id)

    def state(self, *, coming_drift_events: int = 0) -> list[Json]:
        """Returns what a checkpoint keeps for `take_up`.

        Args:
            coming_drift_events: Those that count from this checkpoint on.
        """
        present = self.present()
        present = replace(present, drift_event_count=present.drift_event_count + coming_drift_events)
        return [asdict(boot) for boot in (*self._earlier, present) if any(boot.counters.values())]

    def take_up(self, stored: Sequence[Json]) -> None:
        """Goes on where the last checkpoint of the boot before was; damaged counters are left out."""
        boots: list[BootCount] = []
        for facts in stored:
            try:
                boots.append(BootCount.from_json(facts))
            except StateError as error:
                _LOGGER.error("%s", error)
        self._earlier = _bounded(boots)


def _bounded(boots: Sequence[BootCount]) -> tuple[BootCount, ...]:
    """At most `MOST_BOOTS`, see above."""
    kept = list(boots)
    while len(kept) > MOST_BOOTS:
        silent = [boot for boot in kept if not boot.sequence]
        if len(silent) < 2:
            _LOGGER.error("what boot %s counted is given up: no server heard it", kept[0].boot_id)
            del kept[0]
            continue
        older, younger = silent[:2]
        total = {name: count + older.counters[name] for name, count in younger.counters.items()}
        kept[kept.index(younger)] = BootCount(boot_id=younger.boot_id, **total)
        kept.remove(older)
    return tuple(kept)
