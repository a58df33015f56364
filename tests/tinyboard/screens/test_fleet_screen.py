"""The Fleet page, run by Streamlit's own test runner against a fake hub."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import tinyboard
from tests.fakes.hub import FakeHub
from tests.tinyboard.builders import device, event, sample
from tests.tinyboard.pages import text

APP = Path(tinyboard.__file__).with_name("app.py")


def opened(hub: FakeHub, **parameters: str) -> AppTest:
    page = AppTest.from_file(str(APP), default_timeout=30)
    page.session_state["hub"] = hub
    for name, value in parameters.items():
        page.query_params[name] = value
    page.run()
    assert not page.exception
    return page


@pytest.fixture
def hub() -> FakeHub:
    hub = FakeHub()
    hub.add(
        devices=[
            device("camera-1", display_name="Gate *1*", drifting=True, quarantine_count=52),
            device("camera-2", connectivity="OFFLINE", location=None),
        ],
        events=[event("event-1", severity="CRITICAL"), event("event-2", state="RESOLVED")],
        samples=[sample("a"), sample("b", state="JUDGED", judged_label="bag")],
    )
    return hub


def test_counts_are_on_top(hub: FakeHub) -> None:
    page = opened(hub)
    shown = {one.label: one.value for one in page.metric}
    assert shown["Devices online"] == "1 of 2"
    assert shown["Drifting now"] == "1"
    assert shown["Open drift events"] == "1"
    assert shown["Samples to judge"] == "1"
    assert shown["Predictions"] == "200"


def test_devices_say_how_they_are(hub: FakeHub) -> None:
    shown = text(opened(hub))
    assert r"**Gate \*1\***" in shown, "a name is text, not Markdown"
    assert ":green-badge[Online]" in shown
    assert ":gray-badge[Offline]" in shown
    assert "Drifting" in shown
    assert "<span>Quarantine</span>52" in shown
    assert "fashion v3" in shown
    assert "Validated learning" in shown


def test_events_lead_to_their_review(hub: FakeHub) -> None:
    links = [one.proto for one in opened(hub).get("page_link") if one.proto.page == "review"]
    assert {one.query_string for one in links} == {"event=event-1", "event=event-2"}
    assert any(":red-badge[Critical]" in one.label and "1/2 judged" in one.label for one in links)


def test_filters_come_from_the_address(hub: FakeHub) -> None:
    assert "Gate" not in text(opened(hub, show="Silent"))
    assert "camera" not in text(opened(hub, find="elsewhere"))


def test_a_search_without_a_hit_says_what_to_do(hub: FakeHub) -> None:
    page = opened(hub)
    page.text_input(key="find").input("elsewhere").run()
    assert "No device matches" in page.info[0].value


def test_an_empty_server_says_how_to_start_a_device() -> None:
    assert "tinylcm run" in opened(FakeHub()).info[0].value


def test_a_server_that_is_gone_says_so_and_the_page_comes_back(hub: FakeHub) -> None:
    hub.gone = True
    page = opened(hub)
    assert "does not answer" in page.error[0].value
    assert not page.metric
    hub.gone = False
    page.run()
    assert not page.error
    assert page.metric


def test_many_devices_are_shown_page_by_page() -> None:
    hub = FakeHub()
    hub.add(devices=[device(f"camera-{number:03}") for number in range(25)])
    shown = text(opened(hub))
    assert "camera\\-009" in shown
    assert "camera\\-010" not in shown


def test_every_device_leads_to_its_page(hub: FakeHub) -> None:
    links = [one.proto for one in opened(hub).get("page_link") if one.proto.label == "Open"]
    assert {(one.page, one.query_string) for one in links} == {
        ("device", "device=camera-1"),
        ("device", "device=camera-2"),
    }


def test_the_drift_rate_of_each_device_is_told(hub: FakeHub) -> None:
    lately = datetime.now(UTC) - timedelta(days=1)
    hub.add(events=[event(f"new-{number}", detect_time=lately) for number in range(14)])
    shown = text(opened(hub))
    assert "<span>Drift, last week</span>2.0 a day" in shown
    assert "<span>Drift, last week</span>none" in shown
