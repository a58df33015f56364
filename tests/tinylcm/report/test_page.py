"""The page says what the track holds, is one file, and hides no peak."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import numpy as np
import pytest

from tests.tinylcm.report.test_track import alarm, observation, story
from tinylcm.report.chart import HEIGHT, WIDTH, Chart, draw, ticks
from tinylcm.report.page import charts, render
from tinylcm.report.thinning import rolling_mean, thin
from tinylcm.report.track import Drift, Track


def points(svg: str, kind: str) -> list[tuple[float, float]]:
    """Corners of the first path of a class."""
    match = re.search(rf'class="{kind}" d="([^"]*)"', svg)
    assert match, kind
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", match[1])]


def test_thinning_keeps_every_peak_and_the_mean() -> None:
    values = np.random.default_rng(0).normal(size=100_003).astype(np.float32)
    values[70_001] = 50.0
    thinned = thin(values, 900)
    assert len(thinned.starts) <= 900
    assert thinned.high.max() == 50.0
    widths = np.diff([*thinned.starts, len(values)])
    assert np.average(thinned.mean, weights=widths) == pytest.approx(values.mean(dtype=np.float64), abs=1e-6)


def test_thinning_leaves_gaps_where_nothing_is_known() -> None:
    thinned = thin(np.array([1, np.nan, np.nan, np.nan, 5, 7], dtype=np.float32), 3)
    np.testing.assert_array_equal(thinned.low, np.array([1, np.nan, 5], dtype=np.float32))
    np.testing.assert_array_equal(thinned.mean, np.array([1, np.nan, 6], dtype=np.float32))


def test_a_rolling_mean_forgets_and_passes_over_gaps() -> None:
    values = np.array([np.nan, 4, np.nan, 8, 0, 0], dtype=np.float32)
    np.testing.assert_array_equal(
        rolling_mean(values, 2), np.array([np.nan, 4, 4, 6, 4, 0], dtype=np.float32)
    )


@pytest.mark.parametrize("top", [1e-9, 0.07, 1.0, 3.0, 999.0, 1e6])
def test_ticks_are_few_round_numbers_within_the_axis(top: float) -> None:
    values = ticks(top)
    assert 3 <= len(values) <= 9
    assert values[0] == 0
    assert values[-1] <= top * (1 + 1e-6)


def test_a_chart_is_well_formed_and_stays_in_its_frame() -> None:
    values = np.concatenate([np.zeros(50), np.full(50, 4.0)]).astype(np.float32)
    drifts = [Drift(alarm=alarm(60, start=50), recovery_index=90)]
    svg = draw(Chart(title="a < b & c", values=values, drifts=drifts, threshold=2.0, peaks=True))
    root = ElementTree.fromstring(svg)
    assert root.attrib["aria-label"] == "a < b & c"
    line = points(svg, "line")
    assert len(line) == 100
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in line)
    assert line[0][1] > points(svg, "threshold")[0][1] > line[-1][1]
    assert points(svg, "alarm")[0][0] == pytest.approx(line[60][0], abs=0.1)
    assert points(svg, "recovery")[0][0] == pytest.approx(line[90][0], abs=0.1)


def test_a_gap_breaks_the_line() -> None:
    values = np.array([1, 2, np.nan, 2, 1], dtype=np.float32)
    match = re.search(r'class="line" d="([^"]*)"', draw(Chart(title="gap", values=values)))
    assert match
    assert match[1].count("M") == 2


@pytest.mark.parametrize("values", [[], [np.nan], [0.0], [np.nan, np.nan, 0.0]])
def test_a_chart_of_next_to_nothing_is_still_a_chart(values: list[float]) -> None:
    ElementTree.fromstring(draw(Chart(title="few", values=np.array(values, dtype=np.float32))))


class Reader(HTMLParser):
    """Collects what a browser would fetch, and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.text: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [str(value) for name, value in attributes if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    return reader


def test_the_page_is_one_file_with_a_chart_for_everything_known() -> None:
    page = render(story(), title="<inbox>", facts={"Model": "motions & more"})
    reader = read(page)
    assert not reader.fetched
    assert not {"script", "link", "img", "iframe"} & set(reader.tags)
    assert "url(" not in page
    text = " ".join(reader.text)
    for words in ("Replay of <inbox>", "motions & more", "accuracy while quiet", "frames refused", "default"):
        assert words in text
    titles = [chart.title for chart in charts(story())]
    assert [title.split(",")[0] for title in titles] == [
        "Mean distance to the neighbours",
        "default.distance: statistic",
        "Confidence",
        "Accuracy",
    ]
    assert page.count("<svg viewBox") == len(titles) + 3


def test_without_truth_there_is_no_accuracy() -> None:
    track = Track()
    track.add(observation(0), [], None, truth=None)
    page = render(track, title="unlabelled", facts={})
    assert "ccuracy" not in " ".join(read(page).text)
    assert "None was noticed." in page


def test_both_schemes_name_every_colour() -> None:
    light, dark = re.findall(r":root \{([^}]*)\}", render(Track(), title="empty", facts={}))
    names = [set(re.findall(r"(--[a-z]+):", scheme)) for scheme in (light, dark)]
    assert names[0] == names[1]
    used = set(re.findall(r"var\((--[a-z]+)\)", render(story(), title="all", facts={})))
    assert used == names[0]
