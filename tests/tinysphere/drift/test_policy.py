"""What verdicts amount to."""

from typing import Any

import pytest

from tests.tinysphere.drift.builders import sample_record, verdict_record
from tinysphere.domain.drift import Decision, Judgement, Verdict
from tinysphere.domain.review import ReviewSettings, VerdictPolicy
from tinysphere.drift.policy import Outcome, decide, judgement_of, opinions, standing

ONE = ReviewSettings()
TWO_OF_THREE = ReviewSettings(policy=VerdictPolicy.AGREEMENT, required_count=2, reviewer_count=3)
EVE_DECIDES = ReviewSettings(
    policy=VerdictPolicy.ADJUDICATOR, required_count=2, reviewer_count=2, adjudicators=("eve", "dan")
)
WAITS, DISAGREES = Outcome(judgement=None), Outcome(judgement=None, disagrees=True)


def given(*said: str) -> list[Verdict]:
    """Verdicts from words such as "ann: bag", "bob withdraws", "cy cannot tell", "dan: unusable"."""
    verdicts = []
    for number, words in enumerate(said):
        reviewer, _, rest = words.replace(":", "").partition(" ")
        decision, label = {
            "withdraws": (Decision.WITHDRAWN, ""),
            "cannot tell": (Decision.CANNOT_TELL, ""),
            "unusable": (Decision.UNUSABLE, ""),
            "ordinary": (Decision.NOT_DRIFT, ""),
        }.get(rest, (Decision.NEW_LABEL, rest))
        verdicts.append(verdict_record(number, reviewer=reviewer, decision=decision, label=label))
    return verdicts


def outcome(settings: ReviewSettings, *said: str, **names: str) -> Outcome:
    return decide(settings, opinions(sample_record(), given(*said), names))


def judged(label: str, decision: Decision = Decision.NEW_LABEL) -> Outcome:
    return Outcome(judgement=Judgement(decision=decision, label=label))


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
    verdict = verdict_record(decision=decision, label="coat" if decision.names_label else "")
    judgement = judgement_of(sample_record(predicted_label="shirt"), verdict, {})
    assert judgement == Judgement(decision=decision, label=label)
    judgement = judgement_of(sample_record(), verdict, {label: "jacket"} if label else {})
    assert judgement.label == ("jacket" if label else "")  # as the catalogue has it now


def test_the_newest_verdict_of_each_reviewer_stands() -> None:
    verdicts = given("ann: bag", "bob: shoe", "ann: shoe", "cy: bag", "bob withdraws", "dan withdraws")
    assert [(name, entry.label) for name, entry in standing(verdicts).items()] == [
        ("ann", "shoe"),
        ("cy", "bag"),
    ]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([], WAITS),
        (["ann: bag"], judged("bag")),
        (["ann: bag", "bob: shoe", "cy: shoe"], judged("bag")),  # the first decides
        (["ann: bag", "bob: shoe", "ann withdraws"], judged("shoe")),
        (["ann cannot tell"], WAITS),
        (["ann cannot tell", "bob: shoe"], judged("shoe")),
        (["ann: bag", "ann cannot tell"], WAITS),
        (["ann withdraws"], WAITS),
    ],
)
def test_one_reviewer_suffices(said: list[str], expected: Outcome) -> None:
    assert outcome(ONE, *said) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (["ann: bag"], WAITS),
        (["ann: bag", "ann: bag"], WAITS),  # one reviewer, twice
        (["ann: bag", "bob: bag"], judged("bag")),
        (["ann: bag", "bob: shoe"], WAITS),
        (["ann: bag", "bob: shoe", "cy: shoe"], judged("shoe")),
        (["ann: bag", "bob: shoe", "cy: coat"], DISAGREES),
        (["ann: bag", "bob: shoe", "cy cannot tell"], WAITS),  # others may be able to
        (["ann: bag", "bob: shoe", "cy: coat", "dan: coat"], judged("coat")),
        (["ann: bag", "bob: shoe", "cy: coat", "ann: coat"], judged("coat")),
        (["ann: bag", "bob: shoe", "cy: coat", "cy withdraws"], WAITS),
        (["ann: unusable", "bob: unusable"], judged("", Decision.UNUSABLE)),
        (["ann: ordinary", "bob: shirt"], judged("shirt", Decision.NOT_DRIFT)),  # the same class
    ],
)
def test_two_of_three_must_agree(said: list[str], expected: Outcome) -> None:
    assert outcome(TWO_OF_THREE, *said) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (["ann: bag", "bob: bag"], judged("bag")),
        (["eve: bag"], WAITS),  # nobody disagrees yet
        (["ann: bag", "bob: shoe"], DISAGREES),
        (["ann: bag", "bob: shoe", "cy: coat"], DISAGREES),
        (["ann: bag", "bob: shoe", "eve: coat"], judged("coat")),
        (["ann: bag", "bob: shoe", "eve cannot tell"], DISAGREES),
        (["eve: bag", "bob: shoe"], judged("bag")),
        (["ann: bag", "eve: shoe", "dan: coat"], judged("coat")),  # the newest of theirs
    ],
)
def test_an_adjudicator_decides_disagreements(said: list[str], expected: Outcome) -> None:
    assert outcome(EVE_DECIDES, *said) == expected


def test_labels_that_were_merged_agree() -> None:
    merged: dict[str, Any] = {"purse": "bag"}
    assert outcome(TWO_OF_THREE, "ann: purse", "bob: bag", **merged) == judged("bag")
