"""One colour for one meaning, on every page, in light and dark; names are Streamlit's badge colours."""

SEVERITY_COLOURS = {"LOW": "blue", "MEDIUM": "yellow", "HIGH": "orange", "CRITICAL": "red"}
EVENT_STATE_COLOURS = {"OPEN": "orange", "IN_REVIEW": "blue", "RESOLVED": "green"}
CONNECTIVITY_COLOURS = {"ONLINE": "green", "IDLE": "yellow", "OFFLINE": "gray"}
OUTCOME_COLOURS = {"APPLIED": "green", "REJECTED": "red", "DEFERRED": "yellow"}
DECISION_COLOURS = {
    "CONFIRMED_LABEL": "blue",
    "NEW_LABEL": "violet",
    "NOT_DRIFT": "green",
    "UNUSABLE": "gray",
}

# The same meanings where a figure needs a colour value; chosen to read on white and on near-black.
HEX = {
    "blue": "#3b82f6",
    "yellow": "#d9a406",
    "orange": "#f97316",
    "red": "#ef4444",
    "green": "#22a06b",
    "violet": "#8b5cf6",
    "gray": "#8a94a6",
}


def badge(colours: dict[str, str], name: str) -> str:
    """Streamlit markdown of a small coloured label.

    >>> badge(SEVERITY_COLOURS, "HIGH")
    ':orange-badge[High]'
    """
    word = name.replace("_", " ").capitalize() if name else "Unknown"
    return f":{colours.get(name, 'gray')}-badge[{word}]"
