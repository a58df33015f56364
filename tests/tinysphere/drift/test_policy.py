"""What verdicts amount to."""

import pytest

from tests.tinysphere.drift.builders import sample_record, verdict_record
from tinysphere.domain.drift import Decision, Judgement
from tinysphere.drift.policy import one_reviewer


def test_no_verdict_is_no_judgement() -> None:
    assert one_reviewer(sample_record(), []) is None


def test_the_first_verdict_decides() -> None:
    verdicts = [verdict_record(1, label="bag"), verdict_record(2, label="shoe")]
    assert one_reviewer(sample_record(), verdicts) == Judgement(decision=Decision.NEW_LABEL, label="bag")


@pytest.mark.parametrize(
    ("decision", "label"),
    [
        (Decision.CONFIRMED_LABEL, "coat"),
        (Decision.NEW_LABEL, "coat"),
        (Decision.NOT_DRIFT, "shirt"),  # the predicted one
        (Decision.UNUSABLE, ""),
    ],
)
def test_each_decision_has_its_label(decision: Decision, label: str) -> None:
    verdict = verdict_record(decision=decision, label="coat")
    judgement = one_reviewer(sample_record(predicted_label="shirt"), [verdict])
    assert judgement == Judgement(decision=decision, label=label)
