"""Distances around the alarm."""

import plotly.graph_objects as go

from tests.tinyboard.builders import event, sample
from tinyboard.views import distance
from tinyboard.views.colours import HEX


def test_the_alarm_and_the_start_are_marked_where_they_were() -> None:
    figure = go.Figure(distance.chart(event(start_index=100, detect_index=150), (), ""))
    assert sorted(shape.x0 for shape in figure.layout.shapes) == [100, 150]
    assert {one.text for one in figure.layout.annotations} == {"alarm", "estimated start"}


def test_judged_samples_and_the_one_at_hand_stand_out() -> None:
    samples = (sample("a"), sample("b", state="JUDGED"), sample("c"))
    marker = distance.chart(event(), samples, "a")["data"][0]["marker"]
    assert marker["color"] == [HEX["violet"], HEX["green"], HEX["blue"]]
    assert marker["size"][0] > marker["size"][1]
