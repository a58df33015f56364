"""One colour for one meaning, on every page, in light and dark; names are Streamlit's badge colours."""

from collections.abc import Sequence

SEVERITY_COLOURS = {"LOW": "blue", "MEDIUM": "yellow", "HIGH": "orange", "CRITICAL": "red"}
EVENT_STATE_COLOURS = {"OPEN": "orange", "IN_REVIEW": "blue", "RESOLVED": "green"}
CONNECTIVITY_COLOURS = {"ONLINE": "green", "IDLE": "yellow", "OFFLINE": "gray"}
SCOPE_COLOURS = {"SYSTEMIC": "violet", "LOCAL": "gray"}
BACKLOG_STATE_COLOURS = {"FLOWING": "green", "STUCK": "orange", "REJECTING": "red"}
DELIVERY_STATE_COLOURS = {"PENDING": "yellow", "SENT": "green", "FAILED": "red"}
ROLLOUT_STATE_COLOURS = {
    "DRAFT": "gray",
    "RUNNING": "blue",
    "PAUSED": "yellow",
    "SUCCEEDED": "green",
    "ABORTED": "red",
}
DEPLOYMENT_STATE_COLOURS = {
    "OFFERED": "gray",
    "DOWNLOADING": "blue",
    "VERIFIED": "blue",
    "STAGED": "blue",
    "SHADOW": "violet",
    "TRIAL": "yellow",
    "COMMITTED": "green",
    "ROLLED_BACK": "red",
    "FAILED": "red",
    "REJECTED": "red",
    "CANCELLED": "gray",
}
OUTCOME_COLOURS = {"APPLIED": "green", "REJECTED": "red", "DEFERRED": "yellow"}
ADAPTATION_STATE_COLOURS = {
    "REFUSED": "gray",
    "COMMITTED": "blue",
    "CONFIRMED": "green",
    "ROLLED_BACK": "red",
}
PACKAGE_STATE_COLOURS = {
    "UPLOADING": "yellow",
    "COMMITTED": "gray",
    "PROCESSING": "blue",
    "PROCESSED": "green",
    "FAILED": "red",
}
STEP_STATE_COLOURS = {"PENDING": "gray", "SUCCEEDED": "green", "FAILED": "red"}
LOG_LEVEL_COLOURS = {
    "DEBUG": "gray",
    "INFO": "blue",
    "WARNING": "orange",
    "ERROR": "red",
    "CRITICAL": "red",
}
DECISION_COLOURS = {
    "CONFIRMED_LABEL": "blue",
    "NEW_LABEL": "violet",
    "NOT_DRIFT": "green",
    "UNUSABLE": "gray",
    "CANNOT_TELL": "yellow",
    "WITHDRAWN": "gray",
}
TYPE_COLOURS = {
    "KNN_DISTANCE": "navy",
    "CONFIDENCE": "teal",
    "CLASS_DISTRIBUTION": "brown",
    "FEATURE_RESIDUAL": "pink",
    "COMBINED": "olive",
}
"""For figures only: no badge has them."""

# The same meanings where a figure needs a colour value; chosen to read on white and on near-black.
HEX = {
    "blue": "#3b82f6",
    "yellow": "#d9a406",
    "orange": "#f97316",
    "red": "#ef4444",
    "green": "#22a06b",
    "violet": "#8b5cf6",
    "teal": "#14a3a8",
    "pink": "#e0559c",
    "brown": "#a1744c",
    "navy": "#4f5fa8",
    "olive": "#7d8f3c",
    "gray": "#8a94a6",
}

# Classes get the colours that neither severity nor state uses for good or bad.
_LABEL_PALETTE = ("blue", "teal", "violet", "brown", "pink", "navy", "olive", "gray")


def by_label(labels: Sequence[str]) -> dict[str, str]:
    """One colour value a label, the same for every sample of an event."""
    return {label: HEX[_LABEL_PALETTE[place % len(_LABEL_PALETTE)]] for place, label in enumerate(labels)}


def badge(colours: dict[str, str], name: str) -> str:
    """Streamlit markdown of a small coloured label.

    >>> badge(SEVERITY_COLOURS, "HIGH")
    ':orange-badge[High]'
    """
    word = name.replace("_", " ").capitalize() if name else "Unknown"
    return f":{colours.get(name, 'gray')}-badge[{word}]"
