"""HTML made of values that come from devices."""

import re
import string

from tests.tinyboard.builders import sample
from tinyboard.views import markup, words

EVIL = "<img src=x onerror=alert(1)>"


def test_every_value_is_escaped() -> None:
    one = sample(voted=(EVIL,))
    html = (
        markup.facts([(EVIL, EVIL)], 1)
        + markup.flow([(EVIL, 1)])
        + markup.lead(EVIL, EVIL)
        + markup.note(EVIL)
        + markup.meter(0.5, EVIL)
        + markup.neighbours(one.neighbours, {EVIL: EVIL})
    )
    assert "<img" not in html
    assert "&lt;img" in html


def test_bars_are_as_long_as_their_share_of_the_longest() -> None:
    html = markup.neighbours(sample(voted=("coat", "shirt")).neighbours, {})  # distances 1 and 2
    assert "width:50%" in html
    assert "width:100%" in html


def test_neighbours_of_no_distance_and_no_neighbours_are_drawn() -> None:
    assert "width:0%" in markup.meter(-1.0, "red")
    assert "width:100%" in markup.meter(7.0, "red")
    assert "No neighbour" in markup.neighbours((), {})


def test_flow_marks_what_caught_up_with_the_first() -> None:
    assert markup.flow([("samples", 3), ("judged", 3), ("answered", 1)]).count("done") == 1
    assert "done" not in markup.flow([("samples", 0), ("judged", 0)])


def test_plain_text_is_no_markdown() -> None:
    evil = "![x](http://elsewhere) **bold** :red[red] $x$ <b> line\nbreak"
    shown = words.plain(evil)
    unescaped = re.sub(r"\\.", "", shown)
    assert not set(unescaped) & set(string.punctuation + "\n")
    assert shown.replace("\\", "") == evil.replace("\n", " ")
