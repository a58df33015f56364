"""Drift over time: what is counted, what it is called, how it is drawn."""

from datetime import timedelta

import plotly.graph_objects as go

from tests.tinyboard.builders import NOW
from tinyboard.views import drift
from tinyboard.views.drift_records import CountView, EventFilter

COUNTS = (
    CountView(event_count=3, severity="HIGH", type="CONFIDENCE", scope="LOCAL", time=NOW),
    CountView(event_count=2, severity="LOW", type="CONFIDENCE", scope="SYSTEMIC", time=NOW),
    CountView(event_count=1, severity="CRITICAL", type="KNN_DISTANCE", time=NOW - timedelta(days=1)),
)


def test_filters_leave_what_matches() -> None:
    assert drift.total(drift.matching(COUNTS, EventFilter())) == 6
    assert drift.total(drift.matching(COUNTS, EventFilter(minimum_severity="HIGH"))) == 4
    assert drift.total(drift.matching(COUNTS, EventFilter(type="CONFIDENCE", scope="SYSTEMIC"))) == 2


def test_totals_are_of_what_shares_the_facts() -> None:
    assert drift.total(COUNTS, scope="LOCAL") == 3
    assert drift.total(COUNTS, scope="LOCAL", severity="LOW") == 0


def test_short_spans_are_told_by_the_hour() -> None:
    assert drift.step_of(timedelta(days=1))[0] == "HOUR"
    assert drift.step_of(timedelta(days=7))[0] == "DAY"


def test_the_timeline_adds_up_and_keeps_the_order_of_severities() -> None:
    drawn = drift.timeline(COUNTS, "SEVERITY", start=NOW, end=NOW, step=timedelta(days=1))
    figure = go.Figure(drawn)
    assert [bar.name for bar in figure.data] == ["Low", "High", "Critical"]
    assert sum(sum(bar.y) for bar in figure.data) == 6


def test_the_timeline_divides_by_type_as_well() -> None:
    drawn = drift.timeline(COUNTS, "TYPE", start=NOW, end=NOW, step=timedelta(days=1))
    assert {bar["name"]: sum(bar["y"]) for bar in drawn["data"]} == {"Knn distance": 1, "Confidence": 5}
