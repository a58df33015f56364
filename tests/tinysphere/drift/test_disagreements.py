"""Several reviewers through real gRPC: agreement, disagreement, an adjudicator, and what the blind see."""

from typing import Any

import pytest

from tests.tinysphere.drift.builders import event_message, sample_message, uuid, verdict_message
from tests.tinysphere.drift.conftest import Called
from tests.tinysphere.drift.refusals import invalid, refusal, refused
from tests.tinysphere.drift.test_reports import report_events, report_samples
from tests.tinysphere.drift.test_review_settings import agreement, update_settings
from tests.tinysphere.drift.test_reviews import list_verdicts, submit
from tests.tinysphere.drift.test_withdrawals import told, withdrawal
from tinymlops.v1 import drift_pb2, review_pb2, review_service_pb2

ADJUDICATOR = review_pb2.VERDICT_POLICY_ADJUDICATOR


class Reviewers:
    """Says what people say, each with a new verdict id."""

    def __init__(self, called: Called) -> None:
        self._called = called
        self._last = 100

    def say(self, reviewer: str, label: str, number: int = 1, **changes: Any) -> drift_pb2.Sample:
        self._last += 1
        facts = {"sample_id": uuid(1000 + number), "reviewer": reviewer, "label": label, **changes}
        (sample,) = submit(self._called, verdict_message(self._last, **facts))
        return sample


@pytest.fixture
def reviewers(called: Called) -> Reviewers:
    report_events(called, event_message())
    report_samples(called, *(sample_message(number) for number in range(1, 6)))
    return Reviewers(called)


def disagreements(called: Called, **options: Any) -> review_service_pb2.ListDisagreementsResponse:
    return called.reviewing.ListDisagreements(review_service_pb2.ListDisagreementsRequest(**options))


def disputed(called: Called) -> list[str]:
    return [sample.sample_id for sample in disagreements(called).samples]


def test_agreement_takes_as_many_as_asked(called: Called, reviewers: Reviewers) -> None:
    agreement(called, 2, 3)
    assert reviewers.say("ann", "bag").state == drift_pb2.SAMPLE_STATE_OPEN
    assert told(called) == []
    assert reviewers.say("bob", "Bag").judged_label == "bag"
    assert told(called) == [("NEW_LABEL", "bag")]


def test_a_disagreement_is_listed_until_somebody_decides(called: Called, reviewers: Reviewers) -> None:
    agreement(called, 2, 2)
    for number in (3, 1):
        reviewers.say("ann", "bag", number)
        assert uuid(1000 + number) not in disputed(called)
        reviewers.say("bob", "shoe", number)
    assert disputed(called) == [uuid(1003), uuid(1001)]  # the oldest first
    (sample, _) = disagreements(called).samples
    assert not sample.HasField("embedding")
    reviewers.say("cy", "coat", 3)
    assert disputed(called) == [uuid(1003), uuid(1001)]  # as old as it was
    assert reviewers.say("dan", "coat", 3).judged_label == "coat"
    assert disputed(called) == [uuid(1001)]
    submit(called, withdrawal(1, reviewer="bob"))
    assert disputed(called) == []


def test_disagreements_come_in_pages(called: Called, reviewers: Reviewers) -> None:
    agreement(called, 2, 2)
    for number in (2, 5, 1, 4):
        reviewers.say("ann", "bag", number)
        reviewers.say("bob", "shoe", number)
    found, token = [], ""
    while not found or token:
        page = disagreements(called, page_size=3, page_token=token)
        found += [sample.sample_id for sample in page.samples]
        token = page.next_page_token
    assert found == [uuid(1000 + number) for number in (2, 5, 1, 4)]
    assert refused(lambda: disagreements(called, page_size=501)) == invalid("page_size")
    assert refused(lambda: disagreements(called, page_token="x")) == refusal(
        "INVALID_ARGUMENT", "INVALID_PAGE_TOKEN"
    )


def test_an_adjudicator_decides(called: Called, reviewers: Reviewers) -> None:
    agreement(called, 2, 2, policy=ADJUDICATOR, adjudicators=["eve"])
    reviewers.say("ann", "bag")
    reviewers.say("bob", "shoe")
    assert disputed(called) == [uuid(1001)]
    assert reviewers.say("eve", "coat").judged_label == "coat"
    assert disputed(called) == []
    assert told(called) == [("NEW_LABEL", "coat")]
    submit(called, withdrawal(1, reviewer="eve"))
    assert disputed(called) == [uuid(1001)]


def test_open_samples_are_judged_by_a_new_policy_with_their_next_verdict(
    called: Called, reviewers: Reviewers
) -> None:
    agreement(called, 2, 2)
    reviewers.say("ann", "bag", 1)
    reviewers.say("bob", "shoe", 1)
    one = {"policy": review_pb2.VERDICT_POLICY_ONE, "required_count": 1, "reviewer_count": 1}
    update_settings(called, **one)
    assert disputed(called) == [uuid(1001)]
    assert reviewers.say("cy", "coat", 1).judged_label == "bag"  # the first verdict decides
    assert disputed(called) == []


def test_the_blind_see_others_verdicts_when_a_sample_is_judged(called: Called, reviewers: Reviewers) -> None:
    agreement(called, 2, 2)
    reviewers.say("ann", "bag", 1)
    reviewers.say("bob", "bag", 2)
    reviewers.say("ann", "bag", 2)
    reviewers.say("bob", "shoe", 1)

    def seen(**filters: Any) -> list[tuple[str, str]]:
        return [(entry.sample_id, entry.reviewer) for entry in list_verdicts(called, **filters)]

    first, second = uuid(1001), uuid(1002)
    everything = [(first, "ann"), (second, "bob"), (second, "ann"), (first, "bob")]
    assert seen() == everything
    assert seen(reviewer="ann") == everything[:3]
    assert seen(reviewer="cy") == everything[1:3]
    assert seen(reviewer="ann", sample_id=uuid(1001)) == everything[:1]
    update_settings(called, blind=False)
    assert seen(reviewer="ann") == everything
    assert refused(lambda: list_verdicts(called, reviewer="x" * 129)) == invalid("reviewer")
