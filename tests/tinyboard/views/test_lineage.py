"""The lineage in words."""

from datetime import timedelta

from tests.tinyboard.builders import NOW, adaptation, effect
from tinyboard.views import colours, lineage, words


def test_a_line_says_what_became_of_what_and_when() -> None:
    line = lineage.line(adaptation(state="CONFIRMED"), NOW + timedelta(minutes=3))
    assert line == ":green-badge[Confirmed] **Labels of people** :gray[· 3 min ago]"


def test_figures_are_told_only_where_something_was_measured() -> None:
    assert lineage.figures(effect()) == (
        "right on judged 25 → 75 %",
        "on reference 90 → 88 %",
        "stream distance +4.5 → -0.2 σ",
    )
    assert (
        lineage.figures(effect(judged_sample_count=0, reference_sample_count=0, stream_sample_count=0)) == ()
    )


def test_details_are_text_not_markdown() -> None:
    told = lineage.details(adaptation(description="[a](b)", reason="_c_", effect=None))
    assert told == r"\[a\]\(b\) · \_c\_"
    assert lineage.details(adaptation(description="", reason="", effect=None)) == ""


def test_kinds_of_newer_servers_are_shown_all_the_same() -> None:
    assert "**Adaptation**" in lineage.line(adaptation(kind=""), NOW)
    assert ":gray-badge[Unknown]" in lineage.line(adaptation(state=""), NOW)


def test_every_state_and_mode_of_the_contract_has_its_word() -> None:
    assert set(colours.ADAPTATION_STATE_COLOURS) == {"REFUSED", "COMMITTED", "CONFIRMED", "ROLLED_BACK"}
    assert set(words.MODE_WORDS) == {"AUTONOMOUS", "MONITORING_ONLY", "VALIDATED_LEARNING", "CENTRALIZED"}
