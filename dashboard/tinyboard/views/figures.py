"""Figures as plain Plotly dictionaries, transparent, so that the page's theme shows through."""

from collections.abc import Sequence
from typing import Any

from tinyboard.views.colours import CONNECTIVITY_COLOURS, HEX
from tinyboard.views.records import DeviceView, NeighbourView

Figure = dict[str, Any]

_PLAIN = {"paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)", "showlegend": False}


def device_map(devices: Sequence[DeviceView]) -> Figure:
    """Devices on outlines that ship with Plotly: no tile server is asked."""
    placed = [(device, device.location) for device in devices if device.location is not None]
    latitudes = [location[0] for _, location in placed]
    longitudes = [location[1] for _, location in placed]
    marker = {
        "size": 13,
        "color": [HEX["orange"] if one.drifting else _connectivity_colour(one) for one, _ in placed],
        "line": {"width": 1.5, "color": "white"},
    }
    points = {
        "type": "scatter",
        "x": longitudes,
        "y": latitudes,
        "mode": "markers+text",
        "text": [device.title for device, _ in placed],
        "textposition": "top center",
        "hovertext": [f"{device.device_id} · {device.model.title}" for device, _ in placed],
        "marker": marker,
    }
    axis = {"showgrid": True, "gridcolor": "rgba(138,148,166,.25)", "zeroline": False}
    layout = {
        **_PLAIN,
        "height": 320,
        "margin": {"l": 40, "r": 20, "t": 10, "b": 40},
        "xaxis": {**axis, "title": "degrees east", "range": _padded(longitudes)},
        "yaxis": {**axis, "title": "degrees north", "range": _padded(latitudes)},
    }
    return {"data": [points], "layout": layout}


def neighbour_bars(neighbours: Sequence[NeighbourView]) -> Figure:
    """Distance of each neighbour, nearest on top, one colour a label."""
    palette = ("blue", "orange", "green", "violet", "red", "yellow", "gray")
    labels = list(dict.fromkeys(neighbour.label for neighbour in neighbours))
    colour_of = {label: HEX[palette[place % len(palette)]] for place, label in enumerate(labels)}
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": [neighbour.distance for neighbour in neighbours],
        "y": [f"{place}. {neighbour.label}" for place, neighbour in enumerate(neighbours, start=1)],
        "text": [f"{neighbour.distance:.2f}" for neighbour in neighbours],
        "textposition": "auto",
        "hovertext": [neighbour.sample_id for neighbour in neighbours],
        "marker": {"color": [colour_of[neighbour.label] for neighbour in neighbours]},
    }
    layout = {
        **_PLAIN,
        "height": 40 + 30 * max(len(neighbours), 1),
        "margin": {"l": 10, "r": 10, "t": 4, "b": 30},
        "xaxis": {"title": "distance", "zeroline": False, "rangemode": "tozero"},
        "yaxis": {"autorange": "reversed", "automargin": True},
    }
    return {"data": [bars], "layout": layout}


def feature_bars(embedding: Sequence[float]) -> Figure:
    """The embedding itself, for samples that come without a picture."""
    bars = {"type": "bar", "y": list(embedding), "marker": {"color": HEX["blue"]}}
    layout = {
        **_PLAIN,
        "height": 260,
        "margin": {"l": 30, "r": 10, "t": 4, "b": 30},
        "xaxis": {"title": "feature"},
    }
    return {"data": [bars], "layout": layout}


def _connectivity_colour(device: DeviceView) -> str:
    return HEX[CONNECTIVITY_COLOURS.get(device.connectivity, "gray")]


def _padded(values: Sequence[float]) -> list[float]:
    if not values:
        return [-1.0, 1.0]
    padding = max(0.15 * (max(values) - min(values)), 0.5)
    return [min(values) - padding, max(values) + padding]
