"""How far the samples of an event lie from what the model knows, around the alarm."""

from collections.abc import Sequence
from html import escape

from tinyboard.views.colours import HEX
from tinyboard.views.figures import GRID, PLAIN, Figure
from tinyboard.views.records import EventView, SampleView


def chart(event: EventView, samples: Sequence[SampleView], current_id: str) -> Figure:
    """Distance over the number of the input; judged samples are green, the one at hand is large."""
    marks = [_line(event.detect_index, "alarm", HEX["red"], "solid")]
    if event.start_index < event.detect_index:
        marks.append(_line(event.start_index, "estimated start", HEX["orange"], "dot"))
    layout = {
        **PLAIN,
        "height": 190,
        "margin": {"l": 0, "r": 8, "t": 22, "b": 30},
        "xaxis": {"title": {"text": "input"}, "fixedrange": True, "gridcolor": GRID, "tickformat": ",d"},
        "yaxis": {"title": {"text": "σ"}, "automargin": True, "fixedrange": True, "gridcolor": GRID},
        "shapes": [shape for shape, _ in marks],
        "annotations": [annotation for _, annotation in marks],
    }
    return {"data": [_points(samples, current_id)], "layout": layout}


def _points(samples: Sequence[SampleView], current_id: str) -> Figure:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [sample.source_index for sample in samples],
        "y": [sample.distance_score for sample in samples],
        "text": [escape(sample.judged_label or sample.predicted_label) for sample in samples],
        "hovertemplate": "%{text}: %{y:+.1f} σ, input %{x:,}<extra></extra>",
        "marker": {
            "size": [14 if sample.sample_id == current_id else 7 for sample in samples],
            "color": [_colour(sample, current_id) for sample in samples],
            "line": {"width": 1, "color": "rgba(255,255,255,.6)"},
        },
    }


def _colour(sample: SampleView, current_id: str) -> str:
    if sample.sample_id == current_id:
        return HEX["violet"]
    return HEX["green" if sample.judged else "blue"]


def _line(place: int, name: str, colour: str, dash: str) -> tuple[Figure, Figure]:
    shape = {
        "type": "line",
        "xref": "x",
        "yref": "paper",
        "x0": place,
        "x1": place,
        "y0": 0,
        "y1": 1,
        "line": {"color": colour, "width": 1.5, "dash": dash},
    }
    annotation = {
        "x": place,
        "y": 1,
        "xref": "x",
        "yref": "paper",
        "yanchor": "bottom",
        "text": name,
        "showarrow": False,
        "font": {"size": 11, "color": colour},
    }
    return shape, annotation
