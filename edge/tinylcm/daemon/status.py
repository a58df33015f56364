"""What a device's data folder says of it, read without disturbing a running daemon."""

import sqlite3
from contextlib import closing
from typing import Any

from tinylcm.adapters.snapshots import SnapshotFolder
from tinylcm.daemon.layout import Layout, open_slots
from tinylcm.daemon.starts import failed_starts
from tinylcm.daemon.transfer import read_transfer
from tinylcm.ports import Json, Priority
from tinylcm.settings import Settings
from tinylcm.sync.remembered import REGISTERED

_SHOWN_ADAPTATIONS = 5


def read_status(settings: Settings) -> dict[str, Any]:
    """Returns model, snapshot, last adaptations and outbox of a device as JSON values."""
    layout = Layout(data_dir=settings.device.data_dir)
    slots = open_slots(settings)
    bundle = slots.active()
    status: dict[str, Any] = {
        "device_id": settings.device.device_id,
        "model": None,
        "snapshot": None,
        "adaptations": [],
    }
    if bundle is not None:
        status["model"] = {
            "model_name": bundle.manifest.model_name,
            "version": slots.version_of(bundle.bundle_sha256),
            "release_counter": bundle.manifest.release_counter,
            "bundle_sha256": bundle.bundle_sha256,
            "on_trial": slots.on_trial,
        }
        folder = layout.snapshots / bundle.bundle_sha256[:16]
        stored = SnapshotFolder(folder).load_newest() if folder.is_dir() else None
        if stored is not None:
            status["snapshot"] = {
                "id": stored[0],
                "checkpoint": stored[1]["checkpoint"],
                "next_index": stored[1]["next_index"],
            }
            status["adaptations"] = _last_adaptations(stored[1]["pipeline"])
    values, status["outbox"] = _outbox(layout)
    status["transfer"] = _transfer(layout)
    status["failed_start_count"] = failed_starts(values)
    status["mode"] = values.get(REGISTERED) or settings.device.mode.value
    return status


def _last_adaptations(pipeline: Json) -> list[dict[str, Any]]:
    """The last few attempts to adapt, oldest first; none where the state is from before there was a lineage."""
    shown = ("adaptation_id", "kind", "state", "decide_time", "description", "reason")
    records = pipeline.get("lineage", {}).get("records", [])
    return [{name: record[name] for name in shown} for record in records[-_SHOWN_ADAPTATIONS:]]


def _transfer(layout: Layout) -> dict[str, Any] | None:
    """What the server holds of a package that still waits for its receipt; None when there is no such package."""
    note = read_transfer(layout.transfer)
    path = layout.outbox / "outbox.db"
    if note is None or not path.exists():
        return None
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        waits = database.execute(
            "SELECT 1 FROM packages WHERE package_id = ?", (note["package_id"],)
        ).fetchone()
    return note if waits else None


def _outbox(layout: Layout) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Returns what the outbox remembers by name, and what waits in it; None before it was ever opened."""
    path = layout.outbox / "outbox.db"
    if not path.exists():
        return {}, None
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        if database.execute("PRAGMA user_version").fetchone() == (0,):
            return {}, None  # a daemon is making it at this moment
        rows = database.execute(
            "SELECT priority, state, count(*), sum(size_bytes) FROM packages GROUP BY priority, state"
        ).fetchall()
        messages = database.execute("SELECT count(*) FROM messages").fetchone()[0]
        values = dict(database.execute('SELECT name, content FROM "values"'))
    return values, {
        "packages": [
            {"priority": Priority(priority).name, "state": state, "count": count, "size_bytes": size_bytes}
            for priority, state, count, size_bytes in rows
        ],
        "message_count": messages,
        "evicted_count": int(values.get("evicted_count") or 0),
        "last_contact_time": values.get("last_contact_time"),
        "deployment": values.get("deployment") or None,
    }
