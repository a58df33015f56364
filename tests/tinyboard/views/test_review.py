"""What a reviewer is offered, and what comes next."""

from dataclasses import replace
from datetime import timedelta

from tests.tinyboard.builders import NOW, effect, event, feedback, sample
from tinyboard.views import review
from tinyboard.views.records import SampleView


def judged(one: SampleView, label: str = "bag") -> SampleView:
    return replace(one, state="JUDGED", judged_label=label, judged_decision="NEW_LABEL")


A, B, C = (sample(name) for name in ("a", "b", "c"))


def test_review_starts_with_the_first_open_sample() -> None:
    assert review.first_shown((judged(A), B, C)) == "b"
    assert review.first_shown((judged(A), judged(B))) == "a"
    assert review.first_shown(()) == ""


def test_choices_are_what_the_model_knows_then_what_people_added() -> None:
    samples = (sample("a", voted=("shirt", "coat")), judged(sample("b", voted=("dress",)), "bag"))
    assert review.label_choices(samples) == ("coat", "dress", "shirt", "bag")


def test_a_label_keeps_its_key_when_more_samples_arrive() -> None:
    before = review.label_choices((sample(voted=("shirt", "coat")),))
    after = review.label_choices((sample(voted=("boot", "shirt", "coat")),), before)
    assert after[: len(before)] == before
    assert after == ("coat", "shirt", "boot")


def test_decision_follows_from_what_the_model_said_and_knows() -> None:
    one = sample(voted=("coat", "shirt"))
    known = review.known_labels((one,))
    assert review.decision_for("coat", one, known) == "NOT_DRIFT"
    assert review.decision_for("shirt", one, known) == "CONFIRMED_LABEL"
    assert review.decision_for("bag", one, known) == "NEW_LABEL"


def test_a_label_typed_again_is_no_second_class() -> None:
    assert review.spelled("  Hand   BAG ", ("hand bag", "coat")) == "hand bag"
    assert review.spelled(" tote  bag", ("coat",)) == "tote bag"
    assert review.spelled("   ", ("coat",)) == ""


def test_window_holds_the_current_sample() -> None:
    samples = [sample(str(number)) for number in range(10)]
    assert [one.sample_id for one in review.window(samples, "5", 4)] == ["4", "5", "6", "7"]
    assert [one.sample_id for one in review.window(samples, "9", 4)] == ["8", "9"]
    assert [one.sample_id for one in review.window(samples, "gone", 4)] == ["0", "1", "2", "3"]


def test_one_adaptation_of_many_items_is_shown_once_newest_first() -> None:
    old, new = effect("old"), effect("new", commit_time=NOW + timedelta(minutes=1))
    items = [feedback("1", effect=old), feedback("2", effect=new), feedback("3", effect=new), feedback("4")]
    assert [one.adaptation_id for one in review.effects(items)] == ["new", "old"]


def test_filters_of_the_queue_narrow_and_keep_the_order() -> None:
    events = [event("1"), event("2", severity="LOW"), event("3", device_id="camera-2")]
    assert [one.drift_event_id for one in review.queue(events, (), "")] == ["1", "2", "3"]
    assert [one.drift_event_id for one in review.queue(events, ("HIGH",), "")] == ["1", "3"]
    assert [one.drift_event_id for one in review.queue(events, ("HIGH",), "camera-2")] == ["3"]


def test_outcomes_are_counted_most_frequent_first() -> None:
    items = [feedback("1"), feedback("2", outcome="APPLIED"), feedback("3", outcome="APPLIED")]
    assert review.outcome_counts(items) == (("APPLIED", 2), ("", 1))
