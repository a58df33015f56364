"""Agreement in words."""

import pytest

from tinyboard.views import agreement
from tinyboard.views.reviewing_records import AgreementView, GivenView, PairView


@pytest.mark.parametrize(
    ("kappa", "word"),
    [
        (None, "not defined yet"),
        (-0.2, "no better than chance"),
        (0.0, "no better than chance"),
        (0.1, "slight"),
        (0.3, "fair"),
        (0.5, "moderate"),
        (0.7, "substantial"),
        (1.0, "almost perfect"),
    ],
)
def test_a_kappa_has_a_word(kappa: float | None, word: str) -> None:
    assert agreement.grade(kappa).startswith(word)


def test_pairs_are_rows() -> None:
    pair = PairView(
        first_reviewer="ada", second_reviewer="bob", sample_count=10, agreed_count=9, cohen_kappa=None
    )
    measured = AgreementView(sample_count=10, unanimous_count=9, fleiss_kappa=0.8, pairs=(pair,))
    (row,) = agreement.rows(measured)
    assert (row["Reviewer"], row["and"], row["Cohen's kappa"]) == ("ada", "bob", "–")
    assert agreement.unanimous(measured) == "90 %"


def test_the_newest_opinion_of_each_is_told() -> None:
    def said(reviewer: str, decision: str, label: str = "") -> GivenView:
        return GivenView(sample_id="s", reviewer=reviewer, decision=decision, label=label, submit_time=None)

    told = agreement.opinions(
        [
            said("ada", "NEW_LABEL", "bag"),
            said("bob", "UNUSABLE"),
            said("cyd", "NEW_LABEL", "hat"),
            said("ada", "NEW_LABEL", "tote"),
            said("cyd", "WITHDRAWN"),
        ]
    )
    assert told == "**ada**: tote · **bob**: Unusable"
