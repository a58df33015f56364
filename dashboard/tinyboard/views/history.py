"""One device over time: which span is shown, in which steps, and the figures of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape

from tinyboard.views import words
from tinyboard.views.colours import ADAPTATION_STATE_COLOURS, HEX, OUTCOME_COLOURS, SEVERITY_COLOURS
from tinyboard.views.figures import GRID, PLAIN, Figure
from tinyboard.views.records import AdaptationView, EventView, FeedbackView, SeriesView

SPANS = {
    "1 hour": (timedelta(hours=1), timedelta(minutes=1)),
    "1 day": (timedelta(days=1), timedelta(minutes=10)),
    "1 week": (timedelta(weeks=1), timedelta(hours=1)),
    "1 month": (timedelta(days=30), timedelta(hours=4)),
}
"""How far back, and in which steps metrics are told; whole minutes and hours are what the server has at hand."""
PREFERRED_METRICS = ("latency_ms.p95", "memory_bytes", "predictions_per_second")
ROWS = ("Drift", "Adaptations", "Feedback")

_SHADE = "rgba(249,115,22,.13)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What is shown: from ``start_time`` to ``end_time``, metrics in steps of ``step``."""

    start_time: datetime
    end_time: datetime
    step: timedelta


def span(name: str, now: datetime) -> Span:
    """The span of that name which ends now."""
    length, step = SPANS[name]
    return Span(start_time=now - length, end_time=now, step=step)


def first_metrics(names: Sequence[str]) -> list[str]:
    """Metrics that are shown unless somebody chose others."""
    return [name for name in PREFERRED_METRICS if name in names] or list(names[:1])


def timeline(
    events: Sequence[EventView],
    adaptations: Sequence[AdaptationView],
    feedback: Sequence[FeedbackView],
    shown: Span,
) -> Figure:
    """Drift as bars from its start to its end, adaptations and feedback as marks, one row each."""
    drawn = [
        *(_bar(event, shown) for event in events if event.start_time is not None),
        _marks("Adaptations", [_adaptation_mark(one) for one in adaptations if one.decide_time]),
        _marks("Feedback", [_feedback_mark(one) for one in feedback if one.create_time]),
    ]
    rows = {"categoryorder": "array", "categoryarray": list(reversed(ROWS)), "range": [-0.6, 2.6]}
    return {"data": drawn, "layout": _layout(shown, height=190, yaxis={"type": "category", **rows})}


def metric_chart(series: SeriesView, events: Sequence[EventView], shown: Span) -> Figure:
    """A metric as a line, with the times of drift shaded; the line is broken where nothing was measured."""
    moments, values = _with_gaps(series, shown.step)
    line = {
        "type": "scatter",
        "mode": "lines+markers" if len(series.points) < 40 else "lines",
        "x": moments,
        "y": values,
        "line": {"color": HEX["blue"], "width": 2},
        "marker": {"size": 5},
        "hovertemplate": "%{x|%d %b %H:%M}<br>%{y:.4g}<extra></extra>",
    }
    layout = _layout(shown, height=210, yaxis={"rangemode": "tozero"})
    layout["shapes"] = [_shade(event, shown) for event in events if event.start_time is not None]
    return {"data": [line], "layout": layout}


def _bar(event: EventView, shown: Span) -> Figure:
    start, end = _within(event, shown)
    colour = HEX[SEVERITY_COLOURS.get(event.severity, "gray")]
    cause = words.CAUSE_WORDS.get(event.cause, event.cause)
    lasting = "" if event.recovery_time else " (lasting)"
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [start.isoformat(), end.isoformat()],
        "y": ["Drift", "Drift"],
        "line": {"color": colour, "width": 16},
        "hoverinfo": "text",
        "text": f"{escape(cause)}, {words.sigmas(event.shift_sigma)}{lasting}",
    }


Mark = tuple[datetime, str, str]
"""When, in which colour, and what it says."""


def _marks(row: str, marks: Sequence[Mark]) -> Figure:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [moment.isoformat() for moment, _, _ in marks],
        "y": [row] * len(marks),
        "text": [text for _, _, text in marks],
        "hoverinfo": "text+x",
        "cliponaxis": False,
        "marker": {"size": 12, "symbol": "diamond", "color": [HEX[colour] for _, colour, _ in marks]},
    }


def _adaptation_mark(adaptation: AdaptationView) -> Mark:
    assert adaptation.decide_time is not None
    kind = words.KIND_WORDS.get(adaptation.kind, adaptation.kind)
    colour = ADAPTATION_STATE_COLOURS.get(adaptation.state, "gray")
    return adaptation.decide_time, colour, escape(f"{kind}: {words.title_case(adaptation.state)}")


def _feedback_mark(item: FeedbackView) -> Mark:
    assert item.create_time is not None
    colour = OUTCOME_COLOURS.get(item.outcome, "gray")
    outcome = words.OUTCOME_WORDS.get(item.outcome, words.OUTCOME_WORDS[""])
    return item.acknowledge_time or item.create_time, colour, escape(f"{item.label or 'dropped'}: {outcome}")


def _shade(event: EventView, shown: Span) -> Figure:
    start, end = _within(event, shown)
    return {
        "type": "rect",
        "xref": "x",
        "yref": "paper",
        "x0": start.isoformat(),
        "x1": end.isoformat(),
        "y0": 0,
        "y1": 1,
        "fillcolor": _SHADE,
        "line": {"width": 0},
        "layer": "below",
    }


def _within(event: EventView, shown: Span) -> tuple[datetime, datetime]:
    assert event.start_time is not None
    return max(event.start_time, shown.start_time), min(event.recovery_time or shown.end_time, shown.end_time)


def _with_gaps(series: SeriesView, step: timedelta) -> tuple[list[str], list[float | None]]:
    moments: list[str] = []
    values: list[float | None] = []
    before: datetime | None = None
    for moment, value in series.points:
        if before is not None and moment - before > 2 * step:
            moments.append((before + step).isoformat())
            values.append(None)
        moments.append(moment.isoformat())
        values.append(value)
        before = moment
    return moments, values


def _layout(shown: Span, *, height: int, yaxis: Figure) -> Figure:
    reach = [shown.start_time.isoformat(), shown.end_time.isoformat()]
    return {
        **PLAIN,
        "height": height,
        "margin": {"l": 0, "r": 8, "t": 8, "b": 24},
        "xaxis": {"type": "date", "range": reach, "fixedrange": True, "gridcolor": GRID},
        "yaxis": {"automargin": True, "fixedrange": True, "gridcolor": GRID, **yaxis},
    }
