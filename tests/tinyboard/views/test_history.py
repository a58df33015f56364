"""A device over time, as figures that Plotly takes."""

from datetime import timedelta

import plotly.graph_objects as go

from tests.tinyboard.builders import NOW, adaptation, event, feedback, series
from tinyboard.views import history
from tinyboard.views.colours import HEX

HOUR = timedelta(hours=1)
DAY = history.span("1 day", NOW)


def test_a_span_ends_now_in_steps_the_server_has_at_hand() -> None:
    assert (DAY.end_time, DAY.end_time - DAY.start_time) == (NOW, 24 * HOUR)
    for length, step in history.SPANS.values():
        assert step.total_seconds() % 60 == 0
        assert length / step <= 200


def test_drift_lasts_from_its_start_to_its_end_within_the_span() -> None:
    events = [
        event("short", start_time=NOW - 3 * HOUR, recovery_time=NOW - 2 * HOUR, severity="LOW"),
        event("lasting", start_time=NOW - 48 * HOUR, recovery_time=None, severity="CRITICAL"),
    ]
    figure = go.Figure(history.timeline(events, (), (), DAY))
    short, lasting = figure.data[:2]
    assert list(short.x) == [(NOW - 3 * HOUR).isoformat(), (NOW - 2 * HOUR).isoformat()]
    assert list(lasting.x) == [DAY.start_time.isoformat(), NOW.isoformat()]
    assert (short.line.color, lasting.line.color) == (HEX["blue"], HEX["red"])
    assert "(lasting)" in lasting.text


def test_adaptations_and_feedback_are_marks_in_the_colour_of_what_became_of_them() -> None:
    made = adaptation(state="ROLLED_BACK", decide_time=NOW - HOUR)
    items = [
        feedback("a", outcome="APPLIED", label="<bag>"),
        feedback("b", outcome="", acknowledge_time=None),
    ]
    *_, adaptations, marks = go.Figure(history.timeline((), (made,), items, DAY)).data
    assert list(adaptations.marker.color) == [HEX["red"]]
    assert list(marks.marker.color) == [HEX["green"], HEX["gray"]]
    assert marks.text[0].startswith("&lt;bag&gt;"), "a label is text, not HTML"


def test_a_line_is_broken_where_nothing_was_measured() -> None:
    found = series("memory_bytes", (NOW - 5 * HOUR, 1.0), (NOW - HOUR, 2.0), (NOW - HOUR + DAY.step, 3.0))
    figure = go.Figure(history.metric_chart(found, [event(start_time=NOW - HOUR)], DAY))
    assert list(figure.data[0].y) == [1.0, None, 2.0, 3.0]
    (shade,) = figure.layout.shapes
    assert shade.x1 == NOW.isoformat()


def test_known_metrics_come_first() -> None:
    assert history.first_metrics(["a", "memory_bytes", "latency_ms.p95"]) == [
        "latency_ms.p95",
        "memory_bytes",
    ]
    assert history.first_metrics(["b", "c"]) == ["b"]
    assert history.first_metrics([]) == []
