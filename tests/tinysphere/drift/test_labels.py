"""The catalogue of labels through real gRPC: names that are one, renaming, merging, and what samples count."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from tests.tinysphere.drift.builders import (
    START,
    HandClock,
    event_message,
    sample_message,
    sample_record,
    timestamp,
    uuid,
    verdict_message,
)
from tests.tinysphere.drift.conftest import Called
from tests.tinysphere.drift.refusals import invalid, refusal, refused
from tests.tinysphere.drift.test_disagreements import Reviewers
from tests.tinysphere.drift.test_reports import get_event, report_events, report_samples
from tests.tinysphere.drift.test_review_settings import agreement
from tests.tinysphere.drift.test_reviews import RESOLVED, fetch, list_verdicts, submit
from tests.tinysphere.drift.test_withdrawals import answer_all, counts, told, withdrawal
from tinymlops.v1 import drift_pb2, review_pb2, review_service_pb2
from tinysphere.domain.drift import Decision, Judgement
from tinysphere.domain.labels import label_key, tidied
from tinysphere.drift import catalogue
from tinysphere.drift.catalogue import Catalogue
from tinysphere.errors import ExhaustedError
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.device_data import SqlDeviceData
from tinysphere.storage.sql.drift import SqlDriftStore


def labels(called: Called, **options: Any) -> review_service_pb2.ListLabelsResponse:
    return called.reviewing.ListLabels(review_service_pb2.ListLabelsRequest(**options))


def named(called: Called) -> dict[str, tuple[int, list[str], str]]:
    """Sample count, aliases and creator of each label."""
    return {
        label.name: (label.sample_count, list(label.aliases), label.creator)
        for label in labels(called).labels
    }


def counted(called: Called) -> dict[str, int]:
    return {name: facts[0] for name, facts in named(called).items()}


def add(called: Called, name: str, reviewer: str = "ann") -> review_pb2.Label:
    request = review_service_pb2.AddLabelRequest(name=name, reviewer=reviewer)
    return called.reviewing.AddLabel(request).label


def rename(called: Called, name: str, new_name: str, **changes: str) -> tuple[str, int]:
    request = review_service_pb2.RenameLabelRequest(
        **{"name": name, "new_name": new_name, "reviewer": "bob", **changes}
    )
    response = called.reviewing.RenameLabel(request, timeout=60)
    return response.label.name, response.changed_sample_count


@pytest.fixture
def reviewers(called: Called) -> Reviewers:
    report_events(called, event_message())
    report_samples(called, *(sample_message(number, neighbours=[]) for number in range(1, 6)))
    return Reviewers(called)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("bag", " Bag\t"),
        ("ankle boot", "ANKLE \u00a0  boot"),
        ("Straße", "STRASSE"),
        ("m²", "M2"),
        ("ﬁne", "FINE"),
        ("cafe\u0301", "CAFÉ"),
        ("Å", "\u212b"),
    ],
)
def test_names_that_are_one(one: str, other: str) -> None:
    assert label_key(one) == label_key(other)
    assert tidied(f"  {one}\n") == tidied(one)


def test_names_that_differ() -> None:
    assert len({label_key(name) for name in ("bag", "bags", "b ag", "bäg", "")}) == 5


def test_a_label_is_added_once(called: Called) -> None:
    label = add(called, "  Ankle   boot ")
    assert (label.name, label.creator, label.sample_count) == ("Ankle boot", "ann", 0)
    assert label.HasField("create_time")
    assert add(called, "ANKLE BOOT", reviewer="bob") == label
    assert list(labels(called).labels) == [label]


@pytest.mark.parametrize("name", ["", " ", "\u00a0", "x" * 65, "a\0b", "\ufdfa" * 20])
def test_names_keep_their_limits(called: Called, name: str) -> None:
    assert refused(lambda: add(called, name)) == invalid("name")
    assert refused(lambda: rename(called, "bag", name)) == invalid("new_name")
    assert refused(lambda: add(called, "bag", reviewer="")) == invalid("reviewer")
    assert named(called) == {}


def test_labels_come_in_the_order_of_their_names(called: Called) -> None:
    for name in ("shoe", "Coat", "bag", "apple"):
        add(called, name)
    first = labels(called, page_size=3)
    second = labels(called, page_size=3, page_token=first.next_page_token)
    found = [label.name for label in (*first.labels, *second.labels)]
    assert (found, second.next_page_token) == (["apple", "bag", "Coat", "shoe"], "")


def test_labels_of_verdicts_are_those_of_the_catalogue(called: Called, reviewers: Reviewers) -> None:
    reviewers.say("ann", "Hand  bag", 1)
    assert reviewers.say("bob", "HAND BAG", 2).judged_label == "Hand bag"
    assert {verdict.label for verdict in list_verdicts(called)} == {"Hand bag"}
    assert {item.label for item in fetch(called)} == {"Hand bag"}
    assert named(called) == {"Hand bag": (2, [], "ann"), "shirt": (0, [], "model")}


def test_a_verdict_may_be_repeated_in_other_words(called: Called, reviewers: Reviewers) -> None:
    submit(called, verdict_message(1, label="purse"))
    submit(called, verdict_message(1, label=" Purse"))
    rename(called, "purse", "bag")
    submit(called, verdict_message(1, label="purse"))
    submit(called, verdict_message(1, label="bag"))
    assert refused(submit, called, verdict_message(1, label="shoe")) == refusal(
        "ALREADY_EXISTS", "VERDICT_CONFLICT"
    )
    assert len(list_verdicts(called)) == 1


def test_counts_follow_judgements(called: Called, reviewers: Reviewers) -> None:
    for number, label in ((1, "bag"), (2, "bag"), (3, "shoe")):
        reviewers.say("ann", label, number)
    ordinary = {"decision": drift_pb2.DECISION_NOT_DRIFT}
    reviewers.say("ann", "", 4, **ordinary)
    assert counted(called) == {"bag": 2, "shirt": 1, "shoe": 1}
    submit(called, withdrawal(1), withdrawal(4, verdict=51))
    assert counted(called) == {"bag": 1, "shirt": 0, "shoe": 1}


def test_a_renamed_label_changes_samples_and_their_devices_hear_of_it(
    called: Called, reviewers: Reviewers
) -> None:
    reviewers.say("ann", "bag", 1)
    reviewers.say("ann", "bag", 2)
    reviewers.say("ann", "shoe", 3)
    answer_all(called)
    assert rename(called, "BAG", "Handbag") == ("Handbag", 2)
    assert told(called) == [("NEW_LABEL", "Handbag")] * 2
    assert [item.sample_id for item in fetch(called)] == [uuid(1001), uuid(1002)]
    assert counts(called) == (3, 5, 3)
    assert rename(called, "bag", "Handbag") == ("Handbag", 0)  # again
    assert len(told(called)) == 2
    assert named(called)["Handbag"] == (2, ["bag"], "ann")
    assert "bag" not in named(called)
    assert reviewers.say("ann", "bag", 4).judged_label == "Handbag"


def test_a_merged_label_becomes_part_of_the_other(called: Called, reviewers: Reviewers) -> None:
    reviewers.say("ann", "bag", 1)
    reviewers.say("ann", "purse", 2)
    rename(called, "purse", "pouch")
    assert rename(called, "pouch", "BAG") == ("bag", 1)
    assert named(called)["bag"] == (2, ["pouch", "purse"], "ann")
    assert rename(called, "purse", "bag") == ("bag", 0)
    assert [label for _, label in told(called)] == ["bag", "purse", "pouch", "bag"]


def test_a_label_may_take_an_older_name_back(called: Called, reviewers: Reviewers) -> None:
    reviewers.say("ann", "bag", 1)
    rename(called, "bag", "purse")
    assert rename(called, "purse", "bag") == ("bag", 1)
    assert named(called)["bag"] == (1, ["purse"], "ann")
    assert rename(called, "purse", "Bag") == ("Bag", 1)  # spelt better
    assert named(called)["Bag"] == (1, ["purse"], "ann")


def test_a_merge_into_an_alias_goes_to_what_it_stands_for(called: Called, reviewers: Reviewers) -> None:
    for name in ("bag", "shoe"):
        add(called, name)
    rename(called, "bag", "handbag")
    assert rename(called, "shoe", "bag") == ("handbag", 0)
    assert named(called)["handbag"] == (0, ["bag", "shoe"], "ann")


def test_a_predicted_class_that_was_renamed_is_confirmed_by_its_new_name(
    called: Called, reviewers: Reviewers
) -> None:
    rename(called, "shirt", "blouse")
    ordinary = {"decision": drift_pb2.DECISION_NOT_DRIFT}
    assert reviewers.say("ann", "", 1, **ordinary).judged_label == "blouse"
    assert told(called) == [("NOT_DRIFT", "blouse")]
    assert named(called) == {"blouse": (1, ["shirt"], "model")}


def test_a_resolved_event_stays_resolved_when_a_label_is_renamed(
    called: Called, reviewers: Reviewers
) -> None:
    for number in range(1, 6):
        reviewers.say("ann", "bag", number)
    answer_all(called)
    assert get_event(called).drift_event.state == RESOLVED
    rename(called, "bag", "handbag")
    assert get_event(called).drift_event.state == RESOLVED
    answer_all(called)
    assert counts(called) == (5, 10, 10)


def test_reviewers_agree_on_what_was_merged(called: Called, reviewers: Reviewers) -> None:
    agreement(called, 2, 3)
    reviewers.say("ann", "purse")
    rename(called, "purse", "bag")
    assert reviewers.say("bob", "bag").judged_label == "bag"


def test_an_unknown_label_is_not_renamed(called: Called) -> None:
    assert refused(lambda: rename(called, "bag", "shoe")) == refusal("NOT_FOUND", "LABEL_NOT_FOUND")
    assert refused(lambda: rename(called, "bag", "shoe", reviewer="")) == invalid("reviewer")


def test_a_label_stands_for_so_many_names(called: Called) -> None:
    add(called, "bag")
    for number in range(catalogue.MAX_ALIASES):
        add(called, f"name {number}")
        rename(called, f"name {number}", "bag")
    add(called, "one more")
    assert refused(lambda: rename(called, "one more", "bag")) == invalid("new_name")
    assert refused(lambda: rename(called, "bag", "sack")) == invalid("new_name")
    assert len(named(called)["bag"][1]) == catalogue.MAX_ALIASES


def test_a_very_large_label_is_renamed_or_refused_as_a_whole(called: Called, store: SqlDriftStore) -> None:
    most = 25
    ids = map(uuid, range(10**8, 10**9))
    desk = Catalogue(store, HandClock(), new_id=ids.__next__, feedback_made=int, sample_limit=most)
    desk.add("bag", reviewer="ann")
    add_judged(store, range(most))
    label, changed = desk.rename("bag", "sack", reviewer="ann")
    assert (label.name, changed) == ("sack", most)
    assert len(fetch(called)) == most
    desk.rename("sack", "bag", reviewer="ann")
    add_judged(store, [most])
    with pytest.raises(ExhaustedError, match="more than 25 samples") as caught:
        desk.rename("bag", "sack", reviewer="ann")
    assert (caught.value.reason, caught.value.retry_after_s) == ("LABEL_TOO_LARGE", None)
    assert "bag" in named(called)
    assert len(fetch(called)) == 2 * most


def add_judged(store: SqlDriftStore, numbers: Iterable[int]) -> None:
    """Adds samples that were judged to be bags."""
    bag = Judgement(decision=Decision.NEW_LABEL, label="bag")
    with store.transaction() as transaction:
        transaction.fix_dimensions({sample_record().model.feature_space: 2})
        transaction.add_samples([sample_record(number, judgement=bag) for number in numbers])


def test_samples_bring_the_classes_of_their_model(called: Called) -> None:
    neighbours = [
        drift_pb2.Neighbour(sample_id=f"reference/{index}", label=label, distance=1.0)
        for index, label in enumerate(("shirt", "T-shirt / Top", "Shirt", " "))
    ]
    report_samples(called, *(sample_message(number, neighbours=neighbours) for number in (1, 2)))
    report_samples(called, sample_message(3, predicted_label="coat", neighbours=neighbours))
    assert named(called) == {
        "coat": (0, [], "model"),
        "shirt": (0, [], "model"),
        "T-shirt / Top": (0, [], "model"),
    }


def test_a_class_that_was_renamed_does_not_come_back(called: Called) -> None:
    report_samples(called, sample_message(1))
    rename(called, "shirt", "blouse")
    report_samples(called, sample_message(2, capture_time=timestamp(START)))
    assert list(named(called)) == ["blouse"]


def test_labels_do_not_count_what_was_forgotten(
    called: Called, reviewers: Reviewers, database: Database
) -> None:
    report_samples(called, sample_message(7, device_id="camera-2", drift_event_id=""))
    for number in (1, 2, 7):
        reviewers.say("ann", "bag", number)
    SqlDeviceData(database).delete("camera-1")
    assert counted(called) == {"bag": 1, "shirt": 0}


def test_verdicts_and_renames_at_once_leave_no_sample_behind(called: Called, reviewers: Reviewers) -> None:
    names = [f"name {number}" for number in range(6)]
    add(called, names[0])

    def judge(number: int) -> None:
        submit(called, verdict_message(number, sample_id=uuid(1000 + number), label=names[0]))

    def pass_on(number: int) -> None:
        try:
            rename(called, names[number], names[number + 1])
        except grpc.RpcError as error:
            assert error.code() is grpc.StatusCode.NOT_FOUND

    with ThreadPoolExecutor(10) as pool:
        calls = [pool.submit(judge, number) for number in range(1, 6)]
        calls += [pool.submit(pass_on, number) for number in range(5)]
        for call in calls:
            call.result(timeout=60)
    (label,) = (name for name in named(called) if name.startswith("name"))
    assert counted(called)[label] == 5
    assert {item.sample_id: item.label for item in fetch(called)} == {
        uuid(1000 + number): label for number in range(1, 6)
    }
