"""How far reviewers agree, against scikit-learn, the worked example of Fleiss, and through real gRPC."""

import random
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest
from sklearn.metrics import cohen_kappa_score

from tests.tinysphere.drift.builders import START, event_message, sample_message, timestamp
from tests.tinysphere.drift.conftest import Called
from tests.tinysphere.drift.refusals import invalid, refused
from tests.tinysphere.drift.test_disagreements import Reviewers
from tests.tinysphere.drift.test_labels import rename
from tests.tinysphere.drift.test_reports import report_events, report_samples
from tests.tinysphere.drift.test_review_settings import agreement
from tests.tinysphere.drift.test_reviews import submit
from tests.tinysphere.drift.test_withdrawals import withdrawal
from tinymlops.v1 import drift_pb2, review_pb2, review_service_pb2
from tinysphere.drift.agreement import MAX_PAIRS, MAX_RATERS, cohen_kappa, fleiss_kappa, measure
from tinysphere.storage.ports.review import Rating


def ratings(*samples: Sequence[str]) -> list[Rating]:
    """What reviewers named by their place say of each sample; an empty word says nothing."""
    return [
        Rating(sample_id=f"sample {number}", reviewer=f"reviewer {place}", label=said)
        for number, words in enumerate(samples)
        for place, said in enumerate(words)
        if said
    ]


@pytest.mark.parametrize("seed", range(5))
def test_two_reviewers_as_scikit_learn_measures_them(seed: int) -> None:
    rng = random.Random(seed)
    said = [(rng.choice("abc"), rng.choice("aabc")) for _ in range(40)]
    expected = cohen_kappa_score([pair[0] for pair in said], [pair[1] for pair in said])
    assert cohen_kappa(said) == pytest.approx(expected, abs=1e-12)


def test_two_reviewers_by_hand() -> None:
    # 20 alike as yes, 15 as no; 25 and 30 times yes: (0.7 - 0.5) / (1 - 0.5).
    said = [("yes", "yes")] * 20 + [("no", "no")] * 15 + [("yes", "no")] * 5 + [("no", "yes")] * 10
    assert cohen_kappa(said) == pytest.approx(0.4)
    assert cohen_kappa([("a", "b"), ("b", "a")]) == -1.0
    assert cohen_kappa([("a", "a")] * 3) is None
    assert cohen_kappa([]) is None


def test_many_reviewers_as_in_the_worked_example() -> None:
    """Fourteen reviewers and ten samples in five categories, a textbook table: kappa is 0.210."""
    table = ["0 0 0 0 14", "0 2 6 4 2", "0 0 3 5 6", "0 3 9 2 0", "2 2 8 1 1"]
    table += ["7 7 0 0 0", "3 2 6 3 0", "2 5 3 2 2", "6 5 2 1 0", "0 2 2 3 7"]
    counts = [
        {str(place): int(word) for place, word in enumerate(line.split()) if int(word)} for line in table
    ]
    assert all(sum(sample.values()) == 14 for sample in counts)
    kappa = fleiss_kappa(counts)
    assert kappa is not None
    assert round(kappa, 3) == 0.210


def test_many_reviewers_of_different_numbers_by_hand() -> None:
    counts = [{"a": 2}, {"a": 1, "b": 1}, {"a": 1, "b": 3}]
    observed = Fraction(1 + 0 + Fraction(6, 12)) / 3
    share = Fraction(1 + Fraction(1, 2) + Fraction(1, 4)) / 3
    expected = share**2 + (1 - share) ** 2
    assert fleiss_kappa(counts) == pytest.approx(float((observed - expected) / (1 - expected)), abs=1e-15)
    assert fleiss_kappa([{"a": 3}, {"a": 2}]) is None
    assert fleiss_kappa([]) is None


def test_two_reviewers_of_all_are_scotts_pi() -> None:
    """With two reviewers each, Fleiss' kappa is Scott's pi: what is expected comes from shares of both together."""
    rng = random.Random(7)
    said = [(rng.choice("ab"), rng.choice("ab")) for _ in range(30)]
    both = Counter(word for pair in said for word in pair)
    expected = sum((count / 60) ** 2 for count in both.values())
    observed = sum(one == other for one, other in said) / 30
    kappa = fleiss_kappa([Counter(pair) for pair in said])
    assert kappa == pytest.approx((observed - expected) / (1 - expected), abs=1e-12)


def test_only_samples_of_several_reviewers_count() -> None:
    found = measure(ratings(["a"], ["a", "a"], ["a", "b"], ["b", "", "b"], [""]))
    assert (found.sample_count, found.unanimous_count) == (3, 2)
    pairs = [(pair.first_reviewer[-1], pair.second_reviewer[-1], pair.sample_count) for pair in found.pairs]
    assert pairs == [("0", "1", 2), ("0", "2", 1)]
    assert found.pairs[0].agreed_count == 1
    assert found.pairs[1].cohen_kappa is None


def test_the_work_is_bounded() -> None:
    many = measure(ratings(["a"] * 2_000, ["b"] * 30))
    assert len(many.pairs) == MAX_PAIRS
    assert max(int(pair.second_reviewer.split()[1]) for pair in many.pairs) < MAX_RATERS


@pytest.fixture
def reviewers(called: Called) -> Reviewers:
    report_events(called, event_message())
    report_samples(called, *(sample_message(number) for number in range(1, 6)))
    agreement(called, 9, 9)
    return Reviewers(called)


def get_agreement(called: Called, **options: Any) -> review_pb2.Agreement:
    return called.reviewing.GetAgreement(review_service_pb2.GetAgreementRequest(**options)).agreement


def test_nobody_agrees_on_nothing(called: Called) -> None:
    found = get_agreement(called)
    assert (found.sample_count, list(found.pairs)) == (0, [])
    assert not found.HasField("fleiss_kappa")


def test_standing_verdicts_are_measured(called: Called, reviewers: Reviewers) -> None:
    for number, (ann, bob) in enumerate((("bag", "bag"), ("bag", "shoe"), ("shoe", "shoe")), start=1):
        reviewers.say("ann", "coat", number)
        reviewers.say("ann", ann, number)
        reviewers.say("bob", bob, number)
    reviewers.say("cy", "", 1, decision=drift_pb2.DECISION_CANNOT_TELL)
    reviewers.say("cy", "shirt", 4)
    reviewers.say("ann", "", 4, decision=drift_pb2.DECISION_NOT_DRIFT)  # the predicted one
    reviewers.say("ann", "bag", 5)
    reviewers.say("bob", "bag", 5)
    submit(called, withdrawal(5, reviewer="bob"))
    found = get_agreement(called)
    assert (found.sample_count, found.unanimous_count) == (4, 3)
    pairs = {(pair.first_reviewer, pair.second_reviewer): pair for pair in found.pairs}
    assert list(pairs) == [("ann", "bob"), ("ann", "cy")]
    assert (pairs["ann", "bob"].sample_count, pairs["ann", "bob"].agreed_count) == (3, 2)
    assert pairs["ann", "bob"].cohen_kappa == pytest.approx(0.4)
    assert not pairs["ann", "cy"].HasField("cohen_kappa")
    rename(called, "shoe", "bag")
    assert get_agreement(called).unanimous_count == 4


def test_only_verdicts_of_a_time_are_measured(called: Called, reviewers: Reviewers) -> None:
    reviewers.say("ann", "bag")
    reviewers.say("bob", "bag")
    assert get_agreement(called, after_time=timestamp(START)).sample_count == 1
    assert get_agreement(called, before_time=timestamp(START)).sample_count == 0
    later = timestamp(START + timedelta(days=1))
    assert get_agreement(called, after_time=later).sample_count == 0
    assert get_agreement(called, before_time=later).sample_count == 1
    assert refused(lambda: get_agreement(called, after_time={"nanos": -1})) == invalid("after_time")
