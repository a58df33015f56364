"""The end of the demonstration: a table for people and one object for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from demo.scores import DeviceScore


def print_report(console: Console, scores: Sequence[DeviceScore], problems: Sequence[str]) -> None:
    """Prints one column a device, then what went wrong."""
    table = Table(title="The closed loop", title_justify="left")
    table.add_column("")
    for one in scores:
        table.add_column(f"{one.device_id}: {one.drift}", justify="right")
    rows = {
        "accuracy before drift": [_percent(one.accuracy_before) for one in scores],
        "during drift, before labels": [_percent(one.accuracy_during) for one in scores],
        "after feedback": [_percent(one.accuracy_after) for one in scores],
        "novel class during / after": [
            f"{_percent(one.novel_accuracy_during)} / {_percent(one.novel_accuracy_after)}" for one in scores
        ],
        "known classes after": [_percent(one.known_accuracy_after) for one in scores],
        "detection delay, frames": [_number(one.detection_delay_frames) for one in scores],
        "drift events, resolved": [f"{one.drift_event_count}, {one.resolved_event_count}" for one in scores],
        "labels given": [_number(one.label_count) for one in scores],
        "feedback applied of all": [
            f"{one.applied_feedback_count} of {one.feedback_count}" for one in scores
        ],
        "packages delivered": [_number(one.package_count) for one in scores],
        "connections cut": [_number(one.cut_count) for one in scores],
        "KiB sent, of these again": [
            f"{one.sent_bytes / 1024:.0f}, {one.resent_bytes / 1024:.0f}" for one in scores
        ],
        "drift to applied label, s": [_number(one.drift_to_label_s) for one in scores],
    }
    for name, values in rows.items():
        table.add_row(name, *values)
    console.print(table)
    for problem in problems:
        console.print(f"[red]not closed:[/red] {problem}", highlight=False)
    if not problems:
        console.print("[green]The loop closed.[/green]")


def summary(scores: Sequence[DeviceScore], problems: Sequence[str], elapsed_s: float) -> dict[str, Any]:
    """The same figures as one JSON-able object."""
    return {
        "name": "demo",
        "closed": bool(scores) and not problems,
        "problems": list(problems),
        "elapsed_s": round(elapsed_s, 1),
        "devices": {one.device_id: one.as_json() for one in scores},
    }


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
