"""The rules of the Drift page: which events are meant, and how many there were over time."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from tinyboard.views import words
from tinyboard.views.colours import HEX, SEVERITY_COLOURS, TYPE_COLOURS
from tinyboard.views.drift_records import CountView, EventFilter
from tinyboard.views.figures import GRID, PLAIN, Figure

SPANS = {
    "1 day": timedelta(days=1),
    "1 week": timedelta(weeks=1),
    "1 month": timedelta(days=30),
    "1 year": timedelta(days=365),
}
SEVERITIES = ("LOW", "MEDIUM", "HIGH", "CRITICAL")
TYPES = tuple(TYPE_COLOURS)
SCOPES = ("SYSTEMIC", "LOCAL")
SPLITS = {"Severity": "SEVERITY", "Type": "TYPE"}
"""What the bars of the timeline are divided by, and the server's name for it."""
HOURLY_UP_TO = timedelta(days=2)

_COLOURS: Mapping[str, Mapping[str, str]] = {"SEVERITY": SEVERITY_COLOURS, "TYPE": TYPE_COLOURS}


def step_of(span: timedelta) -> tuple[str, timedelta]:
    """The server's name of the steps that suit a span, and their width."""
    return ("HOUR", timedelta(hours=1)) if span <= HOURLY_UP_TO else ("DAY", timedelta(days=1))


def matching(counts: Sequence[CountView], wanted: EventFilter) -> tuple[CountView, ...]:
    """The rows whose events are of the type, the severity or a higher one, and the scope wanted."""
    allowed = SEVERITIES[SEVERITIES.index(wanted.minimum_severity) :] if wanted.minimum_severity else ()
    return tuple(
        count
        for count in counts
        if wanted.type in ("", count.type)
        and wanted.scope in ("", count.scope)
        and (not allowed or count.severity in allowed)
    )


def total(counts: Sequence[CountView], **facts: str) -> int:
    """Events that share these facts, e.g. ``scope="SYSTEMIC"``."""
    return sum(
        count.event_count
        for count in counts
        if all(getattr(count, name) == value for name, value in facts.items())
    )


def timeline(
    counts: Sequence[CountView], split: str, *, start: datetime, end: datetime, step: timedelta
) -> Figure:
    """Events over time as bars, divided by severity or type; what was not counted has no bar."""
    colours = _COLOURS[split]
    bars = []
    for name in (*colours, ""):
        heights: Counter[datetime] = Counter()
        for count in counts:
            if count.time is not None and getattr(count, split.lower()) == name:
                heights[count.time] += count.event_count
        if heights:
            bars.append(_bar(name, split, heights, step))
    layout = {
        **PLAIN,
        "height": 230,
        "barmode": "stack",
        "bargap": 0.15,
        "margin": {"l": 0, "r": 8, "t": 8, "b": 24},
        "showlegend": True,
        "legend": {"orientation": "h", "x": 0, "y": 1.14},
        "xaxis": {
            "type": "date",
            "range": [start.isoformat(), (end + step).isoformat()],
            "fixedrange": True,
            "gridcolor": GRID,
        },
        "yaxis": {"automargin": True, "fixedrange": True, "gridcolor": GRID, "rangemode": "tozero"},
    }
    return {"data": bars, "layout": layout}


def _bar(name: str, split: str, heights: Mapping[datetime, int], step: timedelta) -> Figure:
    word = words.TYPE_WORDS.get(name, "") if split == "TYPE" else ""
    moments = sorted(heights)
    return {
        "type": "bar",
        "name": word.capitalize() or words.title_case(name),
        "x": [(moment + step / 2).isoformat() for moment in moments],
        "y": [heights[moment] for moment in moments],
        "width": [0.85 * 1000 * step.total_seconds()] * len(moments),
        "marker": {"color": HEX[_COLOURS[split].get(name, "gray")]},
        "hovertemplate": "%{x|%d %b %H:%M}: %{y}<extra>%{fullData.name}</extra>",
    }
