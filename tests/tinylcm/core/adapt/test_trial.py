"""When a change may stand."""

import pytest

from tinylcm.core.adapt.trial import Figures, TrialRule, objection
from tinylcm.errors import InputError

RULE = TrialRule()


def figures(judged: str, reference: str) -> Figures:
    """``"+"`` is right, ``"-"`` is wrong."""
    return Figures(judged=tuple(c == "+" for c in judged), reference=tuple(c == "+" for c in reference))


def test_a_gain_at_no_cost_may_stand() -> None:
    before, after = figures("-----", "+" * 100), figures("+++++", "+" * 100)
    assert objection(before, after, RULE) == ""
    assert (before.judged_accuracy, after.judged_accuracy, after.reference_accuracy) == (0.0, 1.0, 1.0)


def test_two_points_of_reference_accuracy_may_be_lost_and_not_more() -> None:
    before = figures("", "+" * 100)
    assert objection(before, figures("", "+" * 98 + "--"), RULE) == ""
    reason = objection(before, figures("", "+" * 97 + "---"), RULE)
    assert (
        reason == "accuracy on the 100 reference samples would fall from 1.000 to 0.970, by more than 0.020"
    )
    assert objection(before, figures("", "+" * 97 + "---"), TrialRule(reference_tolerance=0.05)) == ""


def test_judged_samples_that_became_wrong_count_once_chance_cannot_explain_them() -> None:
    four, five = figures("-" * 4, ""), figures("-" * 5, "")
    assert objection(figures("+" * 4, ""), four, RULE) == ""  # 1/16
    assert "5 would become wrong and 0 right" in objection(figures("+" * 5, ""), five, RULE)  # 1/32


def test_harm_is_weighed_against_what_became_right() -> None:
    before, after = figures("+" * 8 + "-" * 6, ""), figures("-" * 8 + "+" * 6, "")
    assert objection(before, after, RULE) == ""


def test_nothing_measured_is_no_reason_against() -> None:
    nothing = figures("", "")
    assert objection(nothing, nothing, RULE) == ""
    assert (nothing.judged_accuracy, nothing.reference_accuracy) == (0.0, 0.0)


def test_figures_of_different_samples_cannot_be_compared() -> None:
    with pytest.raises(InputError, match="same samples"):
        objection(figures("+", ""), figures("++", ""), RULE)
