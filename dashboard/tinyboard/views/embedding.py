"""Samples as points in the plane: principal components of their embeddings, and what a lasso caught."""

import uuid
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyboard.views.colours import HEX
from tinyboard.views.figures import PLAIN, Figure
from tinyboard.views.records import SampleView

PALETTE = ("blue", "orange", "teal", "violet", "pink", "olive", "brown", "navy", "red", "yellow")
NO_GROUP = "no group"


def of_one_space(samples: Sequence[SampleView]) -> tuple[SampleView, ...]:
    """The samples of the feature space that most of them live in: distances mean nothing across spaces."""
    spaces = [sample.feature_space for sample in samples]
    common = max(set(spaces), key=lambda space: (spaces.count(space), space), default="")
    width = next((len(one.embedding_values) for one in samples if one.feature_space == common), 0)
    return tuple(
        sample
        for sample in samples
        if sample.feature_space == common and width and len(sample.embedding_values) == width
    )


def plane(samples: Sequence[SampleView]) -> NDArray[np.float64]:
    """The first two principal components of the samples' embeddings, ``(n, 2) float64``.

    Signs are fixed by the largest loading, so that the same samples always look the same (Jolliffe, "Principal
    Component Analysis", 2002).
    """
    if not samples:
        return np.zeros((0, 2))
    values = np.stack([np.frombuffer(one.embedding_values, "<f4") for one in samples]).astype(np.float64)
    centred = values - values.mean(axis=0)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:2]
    largest = np.abs(axes).argmax(axis=1)
    signs = np.sign(axes[np.arange(len(axes)), largest])
    points = centred @ (axes * np.where(signs == 0, 1, signs)[:, None]).T
    return np.pad(points, ((0, 0), (0, 2 - points.shape[1])))


def scatter(samples: Sequence[SampleView], group_names: Mapping[str, str]) -> Figure:
    """One point a sample, coloured by group; each carries its id for the lasso."""
    points = plane(samples)
    by_name: dict[str, list[int]] = {name: [] for name in (*group_names.values(), NO_GROUP)}
    for place, sample in enumerate(samples):
        by_name[group_names.get(sample.group_id, NO_GROUP)].append(place)
    traces = []
    for number, (name, places) in enumerate(by_name.items()):
        colour = "gray" if name == NO_GROUP else PALETTE[number % len(PALETTE)]
        if places:
            traces.append(_points(name, HEX[colour], [samples[one] for one in places], points[places]))
    hidden = {"visible": False, "zeroline": False}
    layout = {
        **PLAIN,
        "height": 470,
        "margin": {"l": 0, "r": 0, "t": 0, "b": 0},
        "dragmode": "lasso",
        "showlegend": True,
        "legend": {"title": {"text": "Group"}, "y": 1},
        "xaxis": hidden,
        "yaxis": {**hidden, "scaleanchor": "x"},
    }
    return {"data": traces, "layout": layout}


def caught(selection: Mapping[str, Any], samples: Sequence[SampleView]) -> tuple[SampleView, ...]:
    """The open samples whose points were caught, by the ids they carry: places in a list would not be safe."""
    ids = {_id_of(point) for point in selection.get("points", ())}
    return tuple(sample for sample in samples if sample.sample_id in ids and not sample.judged)


def fingerprint(samples: Sequence[SampleView]) -> str:
    """A short id of exactly these samples, whatever their order."""
    content = "/".join(sorted(sample.sample_id for sample in samples))
    return uuid.uuid5(uuid.NAMESPACE_URL, content).hex[:12]


def _id_of(point: Mapping[str, Any]) -> str:
    carried = point.get("customdata", "")
    return str(carried[0] if isinstance(carried, list | tuple) and carried else carried)


def _points(name: str, colour: str, samples: Sequence[SampleView], points: NDArray[np.float64]) -> Figure:
    return {
        "type": "scattergl" if len(samples) > 2_000 else "scatter",
        "mode": "markers",
        "name": escape(name),
        "x": points[:, 0].tolist(),
        "y": points[:, 1].tolist(),
        "customdata": [[sample.sample_id] for sample in samples],
        "hovertext": [
            escape(f"{sample.predicted_label} · {sample.device_id} · {sample.distance_score:+.1f} σ")
            for sample in samples
        ],
        "hoverinfo": "text",
        "marker": {
            "size": 9,
            "color": colour,
            "opacity": 0.85,
            "symbol": ["circle-open" if sample.judged else "circle" for sample in samples],
            "line": {"width": 1, "color": "rgba(255,255,255,.6)"},
        },
    }
