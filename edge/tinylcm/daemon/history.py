"""The snapshots of a bundle as people see them, and the way back to an older one.

Going back writes the older state as a new snapshot. So history stays, and nothing else goes back with it: the new
snapshot keeps the newest checkpoint number, by which the outbox knows what may be sent, and the newest frame index,
so that no frame is seen twice. Adaptations that stood and do not any more are told as rolled back.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from tinylcm.adapters.snapshots import SnapshotFolder
from tinylcm.daemon.taken_back import UNTOLD, taken_back, untold, with_records
from tinylcm.errors import StateError
from tinylcm.pipeline.lineage import pack_adaptation
from tinylcm.ports import Arrays, Json
from tinylcm.records import Adaptation

_ORIGIN = "rolled_back_to"


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotFacts:
    """What a snapshot says of itself; numbers are None when it is damaged.

    Attributes:
        save_time: The file's, aware UTC by the device's clock, which may have jumped: order is by id.
        rolled_back_to: The older snapshot whose state it repeats, if it does.
        fault: Why it cannot be loaded; empty when it is whole.
    """

    snapshot_id: str
    save_time: str
    size_bytes: int
    bundle_sha256: str | None = None
    checkpoint: int | None = None
    next_index: int | None = None
    adaptation_count: int | None = None
    quarantine_count: int | None = None
    answered_count: int | None = None
    open_drift_event: str | None = None
    rolled_back_to: str | None = None
    fault: str = ""

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class WayBack:
    """A step back that was made: the newest snapshot before, the one repeated, the one that is newest now, and what
    does not stand any more.
    """

    left: SnapshotFacts
    taken: SnapshotFacts
    written: SnapshotFacts
    undone: tuple[Adaptation, ...]

    def differences(self) -> list[str]:
        """Sentences on what is different from now on."""
        left, taken = self.left, self.taken
        lines = [
            f"adaptations: {taken.adaptation_count}, were {left.adaptation_count}",
            f"samples in quarantine: {taken.quarantine_count}, were {left.quarantine_count}",
        ]
        lines += [f"rolled back: {one.description}" for one in self.undone]
        unlearned = (left.answered_count or 0) - (taken.answered_count or 0)
        if unlearned > 0:
            lines.append(f"{unlearned} answered judgements are unlearned; no server sends them again")
        if left.open_drift_event not in (None, taken.open_drift_event):
            lines.append(f"drift event {left.open_drift_event}, open until now, is not followed any more")
        if taken.open_drift_event not in (None, left.open_drift_event):
            lines.append(f"drift event {taken.open_drift_event} is open again")
        lines.append(f"the next frame is {self.written.next_index}, as before; no frame is seen again")
        return lines


def read_history(folder: SnapshotFolder) -> list[SnapshotFacts]:
    """Returns all snapshots of a bundle, oldest first."""
    return [_facts(folder, snapshot_id) for snapshot_id in folder.ids()]


def go_back(
    folder: SnapshotFolder,
    snapshot_id: str | None = None,
    *,
    now: datetime,
    reason: str,
    check: Callable[[Json, Arrays], None] = lambda meta, arrays: None,
) -> WayBack:
    """Makes the state of an older snapshot the newest one.

    Args:
        snapshot_id: Which; None: the last whole one before the present state.
        now: When the step is made, aware UTC.
        reason: Why, for people.
        check: Raises StateError when the running bundle cannot take up the pipeline's state.

    Raises:
        StateError: There is no such snapshot, it is not whole or not usable; nothing has changed.
        StorageFullError: The disk is full; nothing has changed.
    """
    history = [facts for facts in read_history(folder) if not facts.fault]
    if not history:
        raise StateError("there is no whole snapshot")
    left = history[-1]
    wanted = snapshot_id or _before(left, history)
    meta, arrays = folder.load(wanted)
    check(meta["pipeline"], arrays)
    newest, _ = folder.load(left.snapshot_id)
    undone = taken_back(newest["pipeline"], meta["pipeline"], decide_time=now, reason=reason)
    told_later = [pack_adaptation(one) for one in (*untold(newest), *undone)]
    kept = {name: newest[name] for name in newest.keys() - {"pipeline", _ORIGIN, UNTOLD}}
    if told_later:
        kept[UNTOLD] = told_later
    origin = meta.get(_ORIGIN) or wanted
    taken = _facts(folder, wanted)
    pipeline = with_records(meta["pipeline"], undone)
    written = folder.save({**kept, "pipeline": pipeline, _ORIGIN: origin}, arrays)
    return WayBack(left=left, taken=taken, written=_facts(folder, written), undone=tuple(undone))


def _before(present: SnapshotFacts, history: list[SnapshotFacts]) -> str:
    """A state that was gone back to is not the way back from itself: from there it goes further back."""
    older = [it for it in history if it.snapshot_id < (present.rolled_back_to or present.snapshot_id)]
    if not older:
        raise StateError(f"there is no whole snapshot before {present.snapshot_id}")
    return older[-1].snapshot_id


def _facts(folder: SnapshotFolder, snapshot_id: str) -> SnapshotFacts:
    size_bytes, changed_s = folder.size_and_time(snapshot_id)
    facts = SnapshotFacts(
        snapshot_id=snapshot_id,
        save_time=datetime.fromtimestamp(changed_s, UTC).isoformat(timespec="seconds"),
        size_bytes=size_bytes,
    )
    try:
        meta, _ = folder.load(snapshot_id)
        return replace(facts, **_what_it_says(meta))
    except (StateError, KeyError, TypeError) as error:
        return replace(facts, fault=str(error) or repr(error))


def _what_it_says(meta: Json) -> dict[str, Any]:
    pipeline = meta["pipeline"]
    event = pipeline["evidence"]["event"]
    return {
        "bundle_sha256": pipeline["bundle_sha256"],
        "checkpoint": meta["checkpoint"],
        "next_index": meta["next_index"],
        "adaptation_count": pipeline["adaptation_count"],
        "quarantine_count": len(pipeline["quarantine"]["samples"]),
        "answered_count": len(pipeline["answered"]["answers"]),
        "open_drift_event": event["drift_event_id"] if event else None,
        "rolled_back_to": meta.get(_ORIGIN),
    }
