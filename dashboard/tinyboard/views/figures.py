"""Figures as plain Plotly dictionaries, transparent, so that the page's theme shows through."""

import math
from collections.abc import Sequence
from html import escape
from typing import Any

from tinyboard.views import outlines
from tinyboard.views.colours import CONNECTIVITY_COLOURS, HEX
from tinyboard.views.records import DeviceView

Figure = dict[str, Any]
MAX_NAMED_DEVICES = 12

GRID = "rgba(128,138,160,.18)"
PLAIN = {"paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)", "showlegend": False}


def device_map(devices: Sequence[DeviceView]) -> Figure:
    """Devices on outlines of countries that ship with the package, stretched as at the devices' latitude."""
    placed = [(device, device.location) for device in devices if device.location is not None]
    norths = [location[0] for _, location in placed]
    easts = [location[1] for _, location in placed]
    north, east = _padded(norths), _padded(easts)
    outline_easts, outline_norths = outlines.within(_widened(east), _widened(north))
    land = {
        "type": "scatter",
        "x": outline_easts,
        "y": outline_norths,
        "mode": "lines",
        "line": {"width": 1, "color": "rgba(128,138,160,.55)"},
        "fill": "toself",
        "fillcolor": "rgba(128,138,160,.10)",
        "hoverinfo": "skip",
    }
    points = {
        "type": "scatter",
        "x": easts,
        "y": norths,
        "mode": "markers+text" if len(placed) <= MAX_NAMED_DEVICES else "markers",
        "text": [escape(device.title) for device, _ in placed],
        "textposition": "top center",
        "cliponaxis": False,
        "hovertext": [_hover(device) for device, _ in placed],
        "hoverinfo": "text",
        "marker": {
            "size": 14,
            "color": [device_colour(device) for device, _ in placed],
            "line": {"width": 2, "color": "white"},
        },
    }
    hidden = {"visible": False, "fixedrange": False}
    stretch = 1 / max(math.cos(math.radians(sum(norths) / max(len(norths), 1))), 0.1)
    layout = {
        **PLAIN,
        "height": 340,
        "margin": {"l": 0, "r": 0, "t": 0, "b": 0},
        "dragmode": "pan",
        "xaxis": {**hidden, "range": east},
        "yaxis": {**hidden, "range": north, "scaleanchor": "x", "scaleratio": stretch},
    }
    return {"data": [land, points], "layout": layout}


def feature_bars(embedding: Sequence[float]) -> Figure:
    """The embedding itself, for samples that come without a picture."""
    bars = {"type": "bar", "y": list(embedding), "marker": {"color": HEX["blue"]}}
    layout = {
        **PLAIN,
        "height": 260,
        "margin": {"l": 0, "r": 0, "t": 0, "b": 30},
        "xaxis": {"title": "feature", "fixedrange": True},
        "yaxis": {"automargin": True, "fixedrange": True},
    }
    return {"data": [bars], "layout": layout}


def device_colour(device: DeviceView) -> str:
    """Orange while it drifts, else by how recently it was heard."""
    return HEX["orange" if device.drifting else CONNECTIVITY_COLOURS.get(device.connectivity, "gray")]


def _hover(device: DeviceView) -> str:
    state = "drifting" if device.drifting else device.connectivity.lower()
    return f"<b>{escape(device.title)}</b><br>{escape(device.model.title)} · {state}"


def _padded(values: Sequence[float]) -> tuple[float, float]:
    """A range with room around the values, at least some degrees wide."""
    if not values:
        return -1.0, 1.0
    padding = max(0.25 * (max(values) - min(values)), 1.5)
    return min(values) - padding, max(values) + padding


def _widened(bounds: tuple[float, float]) -> tuple[float, float]:
    """As much again on both sides: the axes keep their proportion by showing more than asked."""
    width = bounds[1] - bounds[0]
    return bounds[0] - width, bounds[1] + width
