"""The Drift page, run by Streamlit's own test runner against a fake hub."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from tests.fakes.hub import FakeHub
from tests.tinyboard import pages
from tests.tinyboard.builders import audit, backlog, device, event, group, sample
from tests.tinyboard.pages import run, text
from tinyboard.views.reviewing_records import AgreementView, PairView


def script() -> None:
    from tinyboard.screens import drift

    drift.show()


def opened(hub: FakeHub, **parameters: str) -> AppTest:
    return pages.opened(script, hub, **parameters)


@pytest.fixture
def hub() -> FakeHub:
    hub = FakeHub()
    lately = datetime.now(UTC) - timedelta(hours=2)
    hub.add(
        devices=[device("camera-1"), device("camera-2")],
        events=[
            event(
                "event-1",
                scope="SYSTEMIC",
                scope_reason="7 of 9 devices with fashion v3 see it.",
                detect_time=lately,
                receive_time=lately,
            ),
            event(
                "event-2",
                device_id="camera-2",
                severity="LOW",
                type="CONFIDENCE",
                scope="LOCAL",
                detect_time=lately,
                receive_time=lately,
            ),
        ],
    )
    return hub


def metrics(page: AppTest) -> dict[str, str]:
    return {one.label: one.value for one in page.metric}


def test_events_are_counted_and_say_how_far_they_reach(hub: FakeHub) -> None:
    page = opened(hub)
    assert metrics(page) == {"Drift events": "2", "High or critical": "1", "Systemic": "1", "Local": "1"}
    shown = text(page)
    assert ":violet-badge[Systemic]" in shown
    assert "7 of 9 devices" in shown
    assert page.get("plotly_chart")


@pytest.mark.parametrize(
    ("parameters", "left"),
    [
        ({"drift-type": "confidence"}, {"camera\\-2"}),
        ({"drift-severity": "High"}, {"camera\\-1"}),
        ({"drift-scope": "Local"}, {"camera\\-2"}),
        ({"drift-device": "camera-1"}, {"camera\\-1"}),
        ({"drift-time": "1 day"}, {"camera\\-1", "camera\\-2"}),
    ],
)
def test_filters_come_from_the_address(hub: FakeHub, parameters: dict[str, str], left: set[str]) -> None:
    shown = text(opened(hub, **parameters))
    assert {name for name in ("camera\\-1", "camera\\-2") if f"**{name}**" in shown} == left


def test_a_filter_that_leaves_nothing_says_what_to_do(hub: FakeHub) -> None:
    page = opened(hub, **{"drift-severity": "Critical"})
    assert "No drift event matches" in page.info[0].value
    assert not page.get("plotly_chart")


def test_groups_are_listed_with_what_they_are_near(hub: FakeHub) -> None:
    hub.groups.known["group-1"] = group()
    hub.add(samples=[sample(name, group_id="group-1") for name in "ab"])
    shown = text(opened(hub, view="Groups"))
    assert ":orange-badge[2 open]" in shown
    assert "near coat" in shown


def test_agreement_is_told_with_its_pairs_and_what_is_disputed(hub: FakeHub) -> None:
    pair = PairView(
        first_reviewer="ada", second_reviewer="bob", sample_count=10, agreed_count=9, cohen_kappa=0.71
    )
    hub.reviewing.measured = AgreementView(
        sample_count=10, unanimous_count=9, fleiss_kappa=0.7, pairs=(pair,)
    )
    hub.add(samples=[sample("disputed")])
    hub.reviewing.disputed = [sample("disputed")]
    page = opened(hub, view="Agreement")
    assert metrics(page)["Fleiss' kappa"] == "0.70"
    assert "substantial agreement" in text(page)
    assert page.dataframe[0].value["Reviewer"].tolist() == ["ada"]
    (link,) = page.get("page_link")
    assert link.proto.query_string == "event=event-1&sample=disputed"


def test_no_agreement_yet_says_how_to_get_one(hub: FakeHub) -> None:
    page = opened(hub, view="Agreement")
    assert "Settings" in page.info[0].value
    assert "disagree on no open sample" in page.success[0].value


def test_devices_that_refuse_their_feedback_come_first(hub: FakeHub) -> None:
    hub.backlog = [backlog("camera-1"), backlog("camera-2", state="REJECTING", last_reason="too far")]
    page = opened(hub, view="Feedback")
    assert metrics(page)["Devices that need somebody"] == "1"
    shown = text(page)
    assert shown.index("camera\\-2") < shown.index("camera\\-1")
    assert "Its reason: too far" in shown


def test_no_feedback_yet_says_so(hub: FakeHub) -> None:
    assert "No device was sent feedback" in opened(hub, view="Feedback").info[0].value


def test_the_audit_trail_is_shown_narrowed_and_taken_away(hub: FakeHub) -> None:
    hub.reviewing.records = [audit(1), audit(2, subject="event-1", action="drift_event.state")]
    page = opened(hub, view="Audit")
    assert page.dataframe[0].value["Of"].tolist() == ["event-1", "sample-1"]
    assert [one.proto.label for one in page.get("download_button")] == ["CSV", "JSON"]
    page.text_input(key="subject").input("event-1")
    assert run(page).dataframe[0].value["What"].tolist() == ["drift_event.state"]
    page.text_input(key="subject").input("nobody")
    assert "Nothing was done" in run(page).info[0].value


@pytest.mark.parametrize("view", ["Events", "Groups", "Agreement", "Feedback", "Audit"])
def test_a_server_that_is_gone_is_said_on_every_view(hub: FakeHub, view: str) -> None:
    hub.gone = True
    page = opened(hub, view=view)
    assert "does not answer" in page.error[0].value.replace("\\", "")
    assert [one.label for one in page.button] == ["Try again"]
