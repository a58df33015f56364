"""The Review page, run by Streamlit's own test runner against a fake hub."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from tests.fakes.hub import FakeHub
from tests.tinyboard import pages
from tests.tinyboard.builders import adaptation, device, effect, event, png, sample
from tests.tinyboard.pages import run, text
from tinyboard.views.records import NeighbourView, VerdictView


def script() -> None:
    from tinyboard.screens import review

    review.show()


def opened(hub: FakeHub, *, reviewer: str = "", **parameters: str) -> AppTest:
    return pages.opened(script, hub, reviewer=reviewer, **parameters)


def press(page: AppTest, key: str) -> AppTest:
    """Does what the button of that key does."""
    page.button(key=key).click()
    return run(page)


def current(page: AppTest) -> str:
    """Id of the sample on the card."""
    (key,) = [str(one.key) for one in page.button if str(one.key).startswith("UNUSABLE-")]
    return key.removeprefix("UNUSABLE-")


@pytest.fixture
def hub() -> FakeHub:
    hub = FakeHub()
    hub.add(
        devices=[device("camera-1"), device("camera-2")],
        events=[
            event("event-1"),
            event("event-2", device_id="camera-2", severity="LOW", cause="PRIOR_SHIFT"),
        ],
        samples=[sample(name) for name in "abc"] + [sample("z", drift_event_id="event-2")],
    )
    return hub


def test_the_address_names_the_event(hub: FakeHub) -> None:
    page = opened(hub, event="event-1")
    assert "### camera\\-1: something new" in text(page)
    assert page.query_params["event"] == "event-1"


def test_the_queue_of_the_whole_fleet_is_shown_when_no_event_is_named(hub: FakeHub) -> None:
    page = opened(hub)
    assert current(page) == "a"
    assert "### camera\\-1: something new" in text(page)
    assert "4 open in this queue" in text(page)
    for key in "abc":
        press(page, f"UNUSABLE-{key}")
    assert current(page) == "z"
    assert "### camera\\-2: other mix of classes" in text(page), "the event is that of the sample at hand"
    assert "event" not in page.query_params


def test_an_event_of_the_address_is_shown_though_the_filters_hide_it(hub: FakeHub) -> None:
    hub.resolve("event-1", reviewer="ada", reason="a parade")
    assert "### camera\\-1" in text(opened(hub, event="event-1"))


def test_an_unknown_event_in_the_address_falls_back_to_the_queue(hub: FakeHub) -> None:
    assert "4 open in this queue" in text(opened(hub, event="gone"))


def test_filters_narrow_the_queue(hub: FakeHub) -> None:
    assert len(opened(hub).radio[0].options) == 3
    assert len(opened(hub, severity="Low").radio[0].options) == 2
    assert len(opened(hub, device="camera-1").radio[0].options) == 2
    assert len(opened(hub, state="Resolved").radio[0].options) == 1, "all events, none of them listed"


def test_choosing_in_the_queue_changes_the_address(hub: FakeHub) -> None:
    page = opened(hub, event="event-1")
    page.radio[0].set_value("event-2")
    run(page)
    assert page.query_params["event"] == "event-2"
    assert current(page) == "z"


def test_card_says_what_the_model_said(hub: FakeHub) -> None:
    shown = text(opened(hub, event="event-1"))
    assert '<div class="tb-lead">coat</div>' in shown
    assert "60 % of the vote · distance +2.5 σ" in shown
    assert "<span>shirt</span>" in shown
    assert "<b>2.00</b>" in shown


def test_the_number_of_a_label_judges_and_the_next_sample_is_shown(hub: FakeHub) -> None:
    page = opened(hub, event="event-1")
    assert page.button(key="label-shirt-a").proto.shortcut == "2"
    press(page, "label-shirt-a")
    (verdict,) = hub.taken
    assert (verdict.sample_id, verdict.decision, verdict.label) == ("a", "CONFIRMED_LABEL", "shirt")
    assert verdict.reviewer == "local-reviewer"
    assert current(page) == "b"
    assert "<b>1</b>judged" in text(page)


@pytest.mark.parametrize(
    ("key", "decision", "label"),
    [("label-coat-a", "NOT_DRIFT", "coat"), ("NOT_DRIFT-a", "NOT_DRIFT", ""), ("UNUSABLE-a", "UNUSABLE", "")],
)
def test_keys_say_what_they_mean(hub: FakeHub, key: str, decision: str, label: str) -> None:
    press(opened(hub, event="event-1"), key)
    assert (hub.taken[0].decision, hub.taken[0].label) == (decision, label)


def test_a_new_class_gets_a_key_of_its_own(hub: FakeHub) -> None:
    page = opened(hub, event="event-1")
    page.text_input(key="new-a").input("  Bag ")
    page.button(key="FormSubmitter:form-a-Add").click()
    run(page)
    assert (hub.taken[0].decision, hub.taken[0].label) == ("NEW_LABEL", "Bag")
    assert page.button(key="label-Bag-b").proto.shortcut == "3"
    page.text_input(key="new-b").input("bag")
    page.button(key="FormSubmitter:form-b-Add").click()
    run(page)
    assert hub.taken[1].label == "Bag", "the same class, however it is typed"


def test_an_empty_name_judges_nothing(hub: FakeHub) -> None:
    page = opened(hub, event="event-1")
    page.button(key="FormSubmitter:form-a-Add").click()
    run(page)
    assert not hub.taken
    assert current(page) == "a"


def test_arrows_look_back_and_ahead_and_judge_nothing(hub: FakeHub) -> None:
    page = press(opened(hub, event="event-1"), "UNUSABLE-a")
    assert current(press(page, "Back-b")) == "a"
    assert page.button(key="UNUSABLE-a").disabled, "a judged sample takes no second verdict"
    assert page.button(key="Back-a").disabled
    assert current(press(press(page, "Next-a"), "Next-b")) == "c"
    assert page.button(key="Next-c").disabled
    assert len(hub.taken) == 1


def test_a_skipped_sample_comes_last_and_can_be_brought_back(hub: FakeHub) -> None:
    page = press(opened(hub, event="event-1"), "Skip-a")
    assert current(page) == "b"
    press(press(page, "UNUSABLE-b"), "UNUSABLE-c")
    assert current(page) == "a", "nothing else is left"
    press(page, "bring-back")
    assert not [one for one in page.button if one.key == "bring-back"]


def test_undo_takes_the_verdict_back_and_the_same_one_may_be_given_again(hub: FakeHub) -> None:
    page = press(opened(hub, event="event-1"), "UNUSABLE-a")
    assert page.button(key="Undo-b").proto.shortcut == "z"
    press(page, "Undo-b")
    assert hub.taken[-1].decision == "WITHDRAWN"
    assert current(page) == "a"
    assert not hub.sample_by_id["a"].judged
    press(page, "UNUSABLE-a")
    assert hub.sample_by_id["a"].judged
    assert len(hub.taken) == 3


def test_who_cannot_tell_leaves_the_sample_to_others(hub: FakeHub) -> None:
    page = opened(hub, event="event-1")
    assert page.button(key="CANNOT_TELL-a").proto.shortcut == "t"
    press(page, "CANNOT_TELL-a")
    assert current(page) == "b"
    assert not hub.sample_by_id["a"].judged
    hub.reviewing.release("local-reviewer", ["b", "c"], skip=False)
    assert current(opened(hub, event="event-1", reviewer="ada")) == "a"


def test_two_reviewers_are_never_handed_the_same_sample(hub: FakeHub) -> None:
    opened(hub, event="event-1")
    other = opened(hub, event="event-1", reviewer="ada")
    assert "other reviewers have them at hand" in other.info[0].value
    assert other.button(key="UNUSABLE-a").disabled


def test_a_sample_that_went_to_somebody_else_is_told_and_left(hub: FakeHub) -> None:
    hub.reviewing.kept = replace(hub.reviewing.kept, lease_s=-1)
    page = opened(hub, event="event-1")
    hub.reviewing.held["a"] = ("ada", datetime.now(UTC) + timedelta(hours=1))
    press(page, "UNUSABLE-a")
    assert "somebody else has it" in page.toast[0].value
    assert not hub.taken
    assert current(page) == "b"


def test_a_lease_that_ran_out_unnoticed_is_renewed_and_the_verdict_taken(hub: FakeHub) -> None:
    hub.reviewing.kept = replace(hub.reviewing.kept, lease_s=-1)
    page = press(opened(hub, event="event-1"), "UNUSABLE-a")
    assert [one.sample_id for one in hub.taken] == ["a"]
    assert current(page) == "b"


def test_the_order_of_the_queue_is_the_reviewers(hub: FakeHub) -> None:
    hub.add(samples=[sample("far", distance_score=9.0)])
    page = opened(hub, event="event-1")
    assert current(page) == "a"
    page.selectbox(key="order").select("DISTANCE")
    assert current(run(page)) == "far"


def test_a_disagreement_is_opened_by_its_address(hub: FakeHub) -> None:
    assert current(opened(hub, event="event-1", sample="c")) == "c"


def test_rate_and_time_left_are_told_after_some_verdicts() -> None:
    hub = FakeHub()
    hub.add(events=[event("event-1")], samples=[sample(f"{number:02}") for number in range(12)])
    page = opened(hub)
    for number in range(6):
        press(page, f"UNUSABLE-{number:02}")
    assert "samples an hour · about" in text(page)


def test_neighbours_that_the_server_knows_show_their_picture() -> None:
    hub = FakeHub()
    near = NeighbourView(sample_id="neighbour-seen", label="coat", distance=1.0)
    hub.add(
        events=[event()],
        samples=[sample("with-neighbour", has_image=True, neighbours=(near,))],
        images=[("with-neighbour", png()), ("neighbour-seen", png())],
    )
    assert 'src="data:image/png;base64,' in text(opened(hub))


def test_a_sample_that_somebody_else_judged_is_told_and_left(hub: FakeHub) -> None:
    page = opened(hub, event="event-1")
    hub.judge([VerdictView(sample_id="a", reviewer="ada", decision="CONFIRMED_LABEL", label="shirt")])
    press(page, "UNUSABLE-a")
    assert [one.decision for one in hub.taken] == ["CONFIRMED_LABEL"]
    assert "judged already" in page.toast[0].value
    assert current(page) == "b"


def test_a_verdict_the_server_did_not_take_keeps_the_sample(hub: FakeHub) -> None:
    page = opened(hub, event="event-1")
    hub.gone = True
    press(page, "UNUSABLE-a")
    hub.gone = False
    assert current(run(page)) == "a"
    assert not hub.taken


def test_reviewer_is_named_in_the_verdict(hub: FakeHub) -> None:
    page = opened(hub, event="event-1")
    page.text_input(key="reviewer").input("ada")
    run(page)
    press(page, "NOT_DRIFT-a")
    assert hub.taken[0].reviewer == "ada"


def test_features_are_drawn_when_there_is_no_picture(hub: FakeHub) -> None:
    page = opened(hub, event="event-1")
    assert any("features only" in one.value for one in page.caption)
    assert len(page.get("plotly_chart")) == 2, "the features, and the distances around the alarm"


def test_pictures_are_shown_and_fetched_once() -> None:
    hub = FakeHub()
    names = [f"pictured-{number}" for number in range(60)]
    hub.add(
        events=[event()],
        samples=[sample(name, has_image=True) for name in names],
        images=[(name, png()) for name in names],
    )
    page = opened(hub)
    card, overview = page.image
    assert len(card.proto.imgs) == 1
    assert len(overview.proto.imgs) == 48, "as many as one looks at"
    asked = hub.asked["image"]
    run(page)
    assert hub.asked["image"] == asked


def test_a_verdict_costs_few_calls_however_many_samples_there_are() -> None:
    hub = FakeHub()
    hub.add(events=[event()], samples=[sample(f"{number:04}") for number in range(1_500)])
    page = opened(hub)
    press(page, "UNUSABLE-0000")
    hub.asked.clear()
    press(page, "UNUSABLE-0001")
    assert current(page) == "0002"
    assert hub.asked["judge"] == 1
    assert hub.asked["lease"] == 0, "the next one is at hand already"
    assert hub.asked["samples"] <= 1, "one page of them, for the overview beside the card"


def test_samples_that_arrive_meanwhile_are_shown() -> None:
    hub = FakeHub()
    hub.add(events=[event()], samples=[sample("a")])
    page = opened(hub)
    hub.add(samples=[sample("b")])
    press(page, "UNUSABLE-a")
    assert current(page) == "b"
    assert "<b>2</b>samples" in text(page)


def test_a_picture_that_is_none_does_not_break_the_page() -> None:
    hub = FakeHub()
    hub.add(events=[event()], samples=[sample("broken", has_image=True)], images=[("broken", b"no picture")])
    page = opened(hub)
    assert any("cannot be shown" in one.value for one in page.caption)
    assert not page.image


def test_the_devices_answer_and_its_effect_are_shown(hub: FakeHub) -> None:
    page = press(opened(hub, event="event-1"), "label-shirt-a")
    assert "On its way 1" in text(page)
    hub.acknowledge("APPLIED", effect=effect())
    run(page)
    assert ":green-badge[Applied 1]" in text(page)
    judged, reference = page.metric
    assert (judged.value, judged.delta) == ("25 → 75 %", "+50.0 points")
    assert (reference.value, reference.delta) == ("90 → 88 %", "-2.0 points")
    assert any("2 look-alikes" in one.value for one in page.caption)
    assert "<b>1</b>answered" in text(page)


def test_the_lineage_of_an_event_is_shown(hub: FakeHub) -> None:
    assert "Adaptations" not in text(opened(hub, event="event-1")), "nothing tried, nothing shown"
    hub.add(
        adaptations=[
            adaptation("one", kind="SENSOR_CORRECTION", state="ROLLED_BACK", reason="the stream got worse"),
            adaptation("two", state="CONFIRMED"),
            adaptation("another event's", drift_event_id="event-2", description="not shown here"),
        ]
    )
    page = opened(hub, event="event-1")
    shown = text(page)
    assert shown.index(":green-badge[Confirmed] **Labels of people**") < shown.index(
        ":red-badge[Rolled back] **Sensor correction**"
    ), "newest first"
    told = [one.value for one in page.caption]
    assert any("stream distance +4.5 → -0.2 σ · the stream got worse" in one for one in told)
    assert not any("not shown here" in one for one in told)


def test_a_rejection_gives_the_devices_reason(hub: FakeHub) -> None:
    page = press(opened(hub, event="event-1"), "label-shirt-a")
    hub.acknowledge("REJECTED", reason="reference accuracy would fall by 9 points")
    run(page)
    assert ":red-badge[Rejected 1]" in text(page)
    assert any("would fall by 9 points" in one.value for one in page.caption)


def test_resolving_needs_a_reason_and_is_kept_in_the_history(hub: FakeHub) -> None:
    page = opened(hub, event="event-1")
    submit = "FormSubmitter:Resolve-event-1-Resolve event"
    press(page, submit)
    assert "Say why" in page.warning[0].value
    page.text_input(key="Resolve-reason-event-1").input("a parade passed")
    press(page, submit)
    assert "a parade passed" in text(page)
    assert hub.event("event-1")[0].closed


def test_a_resolved_event_can_be_reopened(hub: FakeHub) -> None:
    hub.resolve("event-1", reviewer="ada", reason="a parade")
    page = opened(hub, event="event-1")
    assert page.button(key="UNUSABLE-a").disabled
    page.text_input(key="Reopen-reason-event-1").input("no parade after all")
    press(page, "FormSubmitter:Reopen-event-1-Reopen event")
    assert hub.event("event-1")[0].state == "OPEN"
    assert not page.button(key="UNUSABLE-a").disabled


def test_an_event_without_samples_says_they_will_come() -> None:
    hub = FakeHub()
    hub.add(events=[event()])
    assert "have not arrived yet" in opened(hub, event="event-1").info[0].value


def test_an_empty_queue_says_that_nothing_waits() -> None:
    assert "Nothing waits" in opened(FakeHub()).success[0].value


def test_a_server_that_is_gone_says_so_and_the_page_comes_back(hub: FakeHub) -> None:
    hub.gone = True
    page = opened(hub, event="event-1")
    assert "does not answer" in page.error[0].value.replace("\\", "")
    assert [one.label for one in page.button] == ["Try again"]
    hub.gone = False
    run(page)
    assert current(page) == "a"
