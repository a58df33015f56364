"""The commands for whoever looks after a device: status, snapshots, rollback, doctor, the systemd unit."""

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tinylcm.adapters.bundle import Bundle
from tinylcm.adapters.clock import SystemClock
from tinylcm.adapters.files import write_durably
from tinylcm.adapters.snapshots import SnapshotFolder
from tinylcm.daemon.doctor import Level, examine
from tinylcm.daemon.engine import engine_factory
from tinylcm.daemon.history import SnapshotFacts, go_back, read_history
from tinylcm.daemon.layout import Layout, open_slots
from tinylcm.daemon.lock import sole_use
from tinylcm.daemon.status import read_status
from tinylcm.daemon.systemd_unit import systemd_unit
from tinylcm.errors import StateError
from tinylcm.settings import Settings, load_settings
from tinylcm.settings.source import SensorSettings


def status(options: argparse.Namespace) -> int:
    """Prints the device's state."""
    print(json.dumps(read_status(load_settings(options.config)), indent=2, sort_keys=True))
    return 0


def sync(options: argparse.Namespace) -> int:
    """Sends what waits, while no daemon runs; 1 when something is left, 130 when it was interrupted."""
    from tinylcm.daemon.flush import flush  # gRPC, which no other of these commands needs to load

    outcome = flush(
        load_settings(options.config), SystemClock(), patience_s=options.patience, progress_to=sys.stderr
    )
    if outcome.fault:
        print(f"tinylcm: {outcome.fault}", file=sys.stderr)
    print(json.dumps(asdict(outcome), sort_keys=True))
    return outcome.status


def snapshots(options: argparse.Namespace) -> int:
    """Lists the snapshots of the running bundle."""
    settings = load_settings(options.config)
    folder, _ = _running(settings)
    history = read_history(folder) if folder is not None else []
    if options.json:
        print(json.dumps([facts.to_json() for facts in history], indent=2, sort_keys=True))
        return 0
    head = ("id", "written", "bundle", "checkpoint", "next frame", "adaptations", "KiB", "")
    print(_table([head, *(_row(facts) for facts in history)]))
    return 0


def rollback(options: argparse.Namespace) -> int:
    """Goes back to an older snapshot, and says what is different from now on."""
    settings = load_settings(options.config)
    with sole_use(Layout(data_dir=settings.device.data_dir).lock):
        folder, bundle = _running(settings)
        if folder is None or bundle is None:
            raise StateError("there is no bundle that runs, or it has no snapshots")
        folder.sweep()
        engine = engine_factory(settings, SystemClock(), folder.path.parent)(bundle, 0, settings.device.mode)
        way_back = go_back(
            folder,
            options.to,
            now=SystemClock().now(),
            reason="a person took the device back to an older snapshot",
            check=lambda meta, arrays: engine.pipeline.restore(meta, arrays),
        )
    print(f"{way_back.written.snapshot_id} now repeats {way_back.taken.snapshot_id}; different from now on:")
    for line in way_back.differences():
        print(f"  {line}")
    return 0


def doctor(options: argparse.Namespace) -> int:
    """Looks at everything the device needs; 1 when something is wrong."""
    settings = load_settings(options.config)
    findings = examine(settings, SystemClock())
    if options.json:
        rows = [asdict(finding) | {"level": finding.level.name} for finding in findings]
        print(json.dumps(rows, indent=2, sort_keys=True))
    else:
        print(_table([(finding.level.value, finding.part, finding.detail) for finding in findings]))
    return int(any(finding.level is Level.FAULT for finding in findings))


def unit(options: argparse.Namespace) -> int:
    """Writes the systemd unit of the device, or prints it."""
    settings = load_settings(options.config)
    text = systemd_unit(
        program=Path(shutil.which("tinylcm") or sys.argv[0]),
        config=options.config,
        device_id=settings.device.device_id,
        writes=_written_folders(settings),
    )
    if options.out is None:
        print(text, end="")
    else:
        write_durably(options.out, [text.encode()])
        print(f"wrote {options.out}")
    return 0


def _written_folders(settings: Settings) -> list[Path]:
    """The data folder, and that of a Unix socket the device listens at."""
    folders = [settings.device.data_dir]
    if isinstance(settings.source, SensorSettings) and settings.source.baud_rate is None:
        folders.append(settings.source.path.parent)
    return folders


def _running(settings: Settings) -> tuple[SnapshotFolder | None, Bundle | None]:
    bundle = open_slots(settings).active()
    if bundle is None:
        return None, None
    path = Layout(data_dir=settings.device.data_dir).snapshots / bundle.bundle_sha256[:16]
    folder = SnapshotFolder(path, keep_count=settings.snapshots.keep_count) if path.is_dir() else None
    return folder, bundle


def _row(facts: SnapshotFacts) -> tuple[str, ...]:
    note = f"damaged: {facts.fault}" if facts.fault else "whole"
    if facts.rolled_back_to:
        note += f", repeats {facts.rolled_back_to}"
    numbers = (facts.checkpoint, facts.next_index, facts.adaptation_count)
    return (
        facts.snapshot_id,
        facts.save_time,
        (facts.bundle_sha256 or "?")[:12],
        *("?" if number is None else f"{number:,}" for number in numbers),
        f"{facts.size_bytes / 1024:,.0f}",
        note,
    )


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
