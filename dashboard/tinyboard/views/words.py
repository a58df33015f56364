"""Words and numbers as people read them."""

import re
import string
from datetime import datetime

OUTCOME_WORDS = {
    "": "On its way",
    "APPLIED": "Applied",
    "REJECTED": "Rejected",
    "DEFERRED": "Kept for later",
}
TYPE_WORDS = {
    "KNN_DISTANCE": "kNN distance",
    "CONFIDENCE": "confidence",
    "CLASS_DISTRIBUTION": "class frequencies",
    "FEATURE_RESIDUAL": "feature residual",
    "COMBINED": "all monitors",
}
CAUSE_WORDS = {
    "NOVELTY": "something new",
    "COVARIATE_SHIFT": "changed sensor or scene",
    "PRIOR_SHIFT": "other mix of classes",
    "": "cause not estimated",
}
SCOPE_WORDS = {"SYSTEMIC": "Systemic", "LOCAL": "Local", "": "Scope open"}
BACKLOG_WORDS = {
    "REJECTING": "The device refuses what it is sent; see its reason.",
    "STUCK": "Feedback waits although the device was in contact, or the device put it off.",
    "FLOWING": "Nothing waits for long.",
    "": "The device has not answered yet.",
}
MODE_WORDS = {
    "AUTONOMOUS": "Detects and adapts without any server; reports when a link happens to exist.",
    "MONITORING_ONLY": "Detects and reports drift, never changes its model.",
    "VALIDATED_LEARNING": "Adapts from labels that people validated; its own proposals wait for a person.",
    "CENTRALIZED": "Changes its model only by bundles that the server rolls out.",
}
KIND_WORDS = {
    "SENSOR_CORRECTION": "Sensor correction",
    "PSEUDO_LABELS": "Labels of look-alikes",
    "HUMAN_LABELS": "Labels of people",
    "": "Adaptation",
}

_PUNCTUATION = re.compile(f"[{re.escape(string.punctuation)}]")


def title_case(name: str) -> str:
    """Turns an enum name into words.

    >>> title_case("IN_REVIEW")
    'In review'
    """
    return name.replace("_", " ").capitalize() if name else "Unknown"


def plain(text: str) -> str:
    """Text of devices and people as Markdown that shows it as it is: no links, pictures or formatting.

    >>> plain("gate_1 [new](x)")
    'gate\\\\_1 \\\\[new\\\\]\\\\(x\\\\)'
    """
    return _PUNCTUATION.sub(r"\\\g<0>", " ".join(text.split()))


def age(moment: datetime | None, now: datetime) -> str:
    """Says how long ago a moment was.

    >>> from datetime import UTC, timedelta
    >>> now = datetime(2026, 1, 1, tzinfo=UTC)
    >>> age(now - timedelta(minutes=5, seconds=3), now)
    '5 min ago'
    >>> age(None, now)
    'never'
    """
    if moment is None:
        return "never"
    seconds = (now - moment).total_seconds()
    if seconds < 0:
        return "just now"
    for limit_s, unit_s, word in ((60, 1, "s"), (3600, 60, "min"), (86_400, 3600, "h")):
        if seconds < limit_s:
            return f"{int(seconds // unit_s)} {word} ago"
    return f"{int(seconds // 86_400)} d ago"


def duration(span_s: float) -> str:
    """How long something takes, roughly.

    >>> duration(95), duration(5_400), duration(200_000)
    ('2 min', '1.5 h', '2.3 d')
    """
    if span_s < 3_600:
        return f"{max(round(span_s / 60), 1)} min"
    return f"{span_s / 3_600:.1f} h" if span_s < 86_400 else f"{span_s / 86_400:.1f} d"


def short_count(count: int) -> str:
    """A large number in the space of a small one.

    >>> short_count(18_430), short_count(1_234_567)
    ('18,430', '1.23 M')
    """
    if count < 1_000_000:
        return f"{count:,}"
    return f"{count / 1e6:.3g} M" if count < 1_000_000_000 else f"{count / 1e9:.3g} G"


def milliseconds(duration_ms: float) -> str:
    """A latency as people read it; a dash when none was measured.

    >>> milliseconds(2.345)
    '2.3 ms'
    """
    return f"{duration_ms:.1f} ms" if duration_ms else "–"


def percent(share: float) -> str:
    """A share as people read it.

    >>> percent(0.734)
    '73 %'
    """
    return f"{100 * share:.0f} %"


def sigmas(distance: float) -> str:
    """A distance in reference standard deviations.

    >>> sigmas(3.24)
    '+3.2 σ'
    """
    return f"{distance:+.1f} σ"


def points(before: float, after: float) -> str:
    """A change of a share in percentage points.

    >>> points(0.5, 0.625)
    '+12.5 points'
    """
    return f"{round(100 * (after - before), 1) + 0.0:+.1f} points"  # + 0.0: never "-0.0"


def size(size_bytes: int) -> str:
    """A size as people read it; a dash when unknown.

    >>> size(812), size(20_480), size(78_643_200), size(0)
    ('812 B', '20 KiB', '75 MiB', '–')
    """
    if not size_bytes:
        return "–"
    if size_bytes < 1024:
        return f"{size_bytes} B"
    return f"{size_bytes / 1024:.0f} KiB" if size_bytes < 2**20 else f"{size_bytes / 2**20:.0f} MiB"
