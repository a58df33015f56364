"""Words and numbers as people read them."""

from datetime import datetime

DECISION_WORDS = {
    "CONFIRMED_LABEL": "known class",
    "NEW_LABEL": "new class",
    "NOT_DRIFT": "not drift",
    "UNUSABLE": "unusable",
}
TYPE_WORDS = {
    "KNN_DISTANCE": "neighbour distance",
    "CONFIDENCE": "confidence",
    "CLASS_DISTRIBUTION": "class distribution",
    "FEATURE_RESIDUAL": "feature residual",
    "COMBINED": "combined monitors",
}
CAUSE_WORDS = {
    "NOVELTY": "looks like something new",
    "COVARIATE_SHIFT": "looks like a changed sensor or scene",
    "PRIOR_SHIFT": "only the class mix changed",
    "": "cause not estimated",
}


def title_case(name: str) -> str:
    """Turns an enum name into words.

    >>> title_case("IN_REVIEW")
    'In review'
    """
    return name.replace("_", " ").capitalize() if name else "Unknown"


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


def percent(share: float) -> str:
    """A share as people read it.

    >>> percent(0.734)
    '73 %'
    """
    return f"{100 * share:.0f} %"


def points(before: float, after: float) -> str:
    """A change of a share in percentage points.

    >>> points(0.5, 0.625)
    '+12.5 points'
    """
    return f"{100 * (after - before):+.1f} points"


def mebibytes(size_bytes: int) -> str:
    """A size as people read it; a hyphen when unknown.

    >>> mebibytes(78643200)
    '75 MiB'
    """
    return f"{size_bytes / 2**20:.0f} MiB" if size_bytes else "-"
