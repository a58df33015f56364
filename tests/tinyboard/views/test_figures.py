"""Figures are what Plotly takes."""

from typing import Any

import plotly.graph_objects as go
import pytest

from tests.tinyboard.builders import device
from tinyboard.views import colours, figures, outlines

BERLIN, LIMA = (52.5, 13.4), (-12.0, -77.0)


def test_map_shows_devices_with_a_place_only() -> None:
    devices = [device("camera-1"), device("camera-2", location=None), device("camera-3", location=LIMA)]
    figure = go.Figure(figures.device_map(devices))
    assert list(figure.data[1].x) == [BERLIN[1], LIMA[1]]
    assert list(figure.data[1].y) == [BERLIN[0], LIMA[0]]


def test_zero_zero_is_a_place() -> None:
    figure = go.Figure(figures.device_map([device(location=(0.0, 0.0))]))
    assert list(figure.data[1].x) == [0.0]


@pytest.mark.parametrize(
    ("facts", "colour"),
    [
        ({"drifting": True}, "orange"),
        ({}, "green"),
        ({"connectivity": "IDLE"}, "yellow"),
        ({"connectivity": "OFFLINE"}, "gray"),
        ({"connectivity": ""}, "gray"),
    ],
)
def test_colour_says_how_a_device_is(facts: dict[str, Any], colour: str) -> None:
    assert figures.device_colour(device(**facts)) == colours.HEX[colour]


def test_names_are_escaped_and_left_out_when_there_are_many() -> None:
    few = figures.device_map([device(display_name="<b>x")])
    assert few["data"][1]["text"] == ["&lt;b&gt;x"]
    many = figures.device_map([device(f"camera-{number}") for number in range(13)])
    assert many["data"][1]["mode"] == "markers"


def test_outlines_near_berlin_hold_germany_and_not_peru() -> None:
    easts, norths = outlines.within((12.0, 15.0), (51.0, 54.0))
    points = [(east, north) for east, north in zip(easts, norths, strict=True) if east is not None]
    assert any(6 < east < 15 and 47 < (north or 0) < 55 for east, north in points)
    assert not any(east < -70 for east, _ in points)
    assert len(points) < 3_000 < sum(map(len, outlines.rings()))


def test_features_are_drawn_one_bar_each() -> None:
    figure = go.Figure(figures.feature_bars((1.0, -2.0)))
    assert list(figure.data[0].y) == [1.0, -2.0]


def test_labels_keep_their_colour_and_few_share_one() -> None:
    labels = [f"class-{number}" for number in range(8)]
    assert len(set(colours.by_label(labels).values())) == 8
    assert colours.by_label(labels)["class-3"] == colours.by_label(labels[:4])["class-3"]
