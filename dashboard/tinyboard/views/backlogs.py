"""How feedback fares on the devices, those that need somebody first."""

from collections.abc import Sequence
from datetime import datetime

from tinyboard.views import colours, words
from tinyboard.views.drift_records import BacklogView

_ORDER = ("REJECTING", "STUCK", "", "FLOWING")


def sorted_by_need(backlogs: Sequence[BacklogView]) -> Sequence[BacklogView]:
    """Rejecting devices first, then stuck ones; within a state in the order they came."""
    return sorted(backlogs, key=lambda one: _ORDER.index(one.state) if one.state in _ORDER else len(_ORDER))


def needing(backlogs: Sequence[BacklogView]) -> int:
    """Devices that somebody should look at."""
    return sum(one.state in ("REJECTING", "STUCK") for one in backlogs)


def line(backlog: BacklogView, now: datetime) -> str:
    """One device's state and counts, as Markdown."""
    state = colours.badge(colours.BACKLOG_STATE_COLOURS, backlog.state)
    counts = [
        f"{backlog.waiting_count:,} waiting",
        f"{backlog.applied_count:,} applied",
        f"{backlog.rejected_count:,} rejected",
    ]
    if backlog.deferred_count:
        counts.insert(1, f"{backlog.deferred_count:,} kept for later")
    if backlog.oldest_waiting_time is not None:
        counts.append(f"oldest {words.age(backlog.oldest_waiting_time, now)}")
    counts.append(f"last answer {words.age(backlog.acknowledge_time, now)}")
    return f"{state} **{words.plain(backlog.device_id)}** :gray[· {' · '.join(counts)}]"


def explanation(backlog: BacklogView) -> str:
    """What the state means, and what the device gave as its reason."""
    meaning = words.BACKLOG_WORDS.get(backlog.state, "")
    reason = f"Its reason: {words.plain(backlog.last_reason)}" if backlog.last_reason else ""
    return " ".join(part for part in (meaning, reason) if part)
