"""The Groups page, run by Streamlit's own test runner against a fake hub."""

from __future__ import annotations

import struct

import pytest
from streamlit.testing.v1 import AppTest

from tests.fakes.hub import FakeHub
from tests.tinyboard import pages
from tests.tinyboard.builders import event, group, label, png, sample
from tests.tinyboard.pages import run, text


def script() -> None:
    from tinyboard.screens import groups

    groups.show()


def opened(hub: FakeHub, **parameters: str) -> AppTest:
    return pages.opened(script, hub, **parameters)


def press(page: AppTest, key: str) -> AppTest:
    page.button(key=key).click()
    return run(page)


@pytest.fixture
def hub() -> FakeHub:
    hub = FakeHub()
    hub.groups.known["group-1"] = group(representative_sample_ids=("b",))
    hub.add(
        events=[event("event-1"), event("event-2", device_id="camera-2")],
        samples=[
            sample("a", group_id="group-1", group_similarity=0.2),
            sample("b", group_id="group-1", group_similarity=0.9),
            sample("c", group_id="group-1", drift_event_id="event-2", device_id="camera-2"),
            sample("alone"),
        ],
    )
    hub.reviewing.catalogue["bag"] = label("bag")
    return hub


def outliers(page: AppTest) -> list[str]:
    return list(page.button_group(key="outliers-group-1-7").options)


def test_groups_lead_to_their_page(hub: FakeHub) -> None:
    page = opened(hub)
    assert ":orange-badge[3 open]" in text(page)
    (link,) = page.get("page_link")
    assert link.proto.query_string == "group=group-1"


def test_no_group_says_what_to_do() -> None:
    assert "No group waits here" in opened(FakeHub()).info[0].value


def test_one_verdict_judges_every_sample_and_device(hub: FakeHub) -> None:
    page = opened(hub, group="group-1", reviewer="ada")
    assert "One verdict on 3 samples" in text(page)
    assert page.button(key="label-bag-group-1-7").proto.shortcut == "3", "near labels come first"
    press(page, "label-bag-group-1-7")
    assert {(one.sample_id, one.decision, one.label) for one in hub.taken} == {
        (name, "NEW_LABEL", "bag") for name in "abc"
    }
    assert {one.reviewer for one in hub.taken} == {"ada"}
    assert "3 samples judged; 2 devices are told" in page.success[0].value
    assert "Every sample of this group is judged" in page.success[1].value


def test_a_known_label_is_confirmed(hub: FakeHub) -> None:
    press(opened(hub, group="group-1"), "label-shirt-group-1-7")
    assert {(one.decision, one.label) for one in hub.taken} == {("CONFIRMED_LABEL", "shirt")}


def test_outliers_are_left_out_by_a_click(hub: FakeHub) -> None:
    page = opened(hub, group="group-1")
    page.button_group(key="outliers-group-1-7").set_value(["a"])
    run(page)
    assert "One verdict on 2 samples" in text(page)
    press(page, "UNUSABLE-group-1-7")
    assert {one.sample_id for one in hub.taken} == {"b", "c"}
    assert "One verdict on 1 sample" in text(page)


def test_leaving_everything_out_leaves_nothing_to_judge(hub: FakeHub) -> None:
    page = opened(hub, group="group-1")
    page.button_group(key="outliers-group-1-7").set_value(["a", "b", "c"])
    run(page)
    assert page.button(key="UNUSABLE-group-1-7").disabled


def test_a_group_that_changed_meanwhile_is_told_kindly_and_shown_anew(hub: FakeHub) -> None:
    page = opened(hub, group="group-1")
    hub.groups.change("group-1")
    press(page, "UNUSABLE-group-1-7")
    assert not hub.taken
    assert "changed while you looked" in page.warning[0].value
    press(page, "UNUSABLE-group-1-8")
    assert len(hub.taken) == 3


def test_an_unknown_group_is_said_to_be_unknown(hub: FakeHub) -> None:
    assert "there is no group" in opened(hub, group="gone").warning[0].value


def test_pictures_are_faces_to_click_and_never_more_than_one_can_look_at() -> None:
    hub = FakeHub()
    hub.groups.known["group-1"] = group()
    names = [f"face-{number:02}" for number in range(60)]
    hub.add(
        events=[event()],
        samples=[sample(name, group_id="group-1", has_image=True) for name in names],
        images=[(name, png()) for name in names],
    )
    page = opened(hub, group="group-1")
    shown = outliers(page)
    assert len(shown) == 48
    assert all(one.startswith("![coat](data:image/png;base64,") for one in shown)
    assert "48 of 60 shown" in text(page)
    press(page, "UNUSABLE-group-1-7")
    assert len(hub.taken) == 60, "the verdict is about all of them"


def test_the_map_shows_open_samples_as_points(hub: FakeHub) -> None:
    hub.add(samples=[sample("other", embedding_values=struct.pack("<3f", 0.0, 1.0, 0.0))])
    page = opened(hub, **{"groups-view": "Map"})
    assert "5 open samples" in text(page)
    assert page.get("plotly_chart")
    assert "Draw a lasso" in text(page)


def test_a_map_of_nothing_says_so() -> None:
    assert "no map to draw" in opened(FakeHub(), **{"groups-view": "Map"}).info[0].value


def test_a_server_that_is_gone_says_so(hub: FakeHub) -> None:
    hub.gone = True
    assert "does not answer" in opened(hub).error[0].value.replace("\\", "")
