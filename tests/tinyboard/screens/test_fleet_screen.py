"""The Fleet page, run by Streamlit's own test runner against a fake hub."""

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

import tinyboard
from tests.fakes.hub import FakeHub
from tests.tinyboard.builders import adaptation, device, event, sample
from tinyboard.client.calls import HubError

APP = Path(tinyboard.__file__).with_name("app.py")


def opened(hub: FakeHub, **parameters: str) -> AppTest:
    page = AppTest.from_file(str(APP), default_timeout=30)
    page.session_state["hub"] = hub
    for name, value in parameters.items():
        page.query_params[name] = value
    page.run()
    assert not page.exception
    return page


def text(page: AppTest) -> str:
    """Everything the page says in Markdown and HTML."""
    parts: list[Any] = [*page.markdown, *page.get("html")]
    return "\n".join(str(getattr(part, "body", "") or part.value) for part in parts)


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
    links = [one.proto for one in opened(hub).get("page_link")]
    assert {one.page for one in links} == {"review"}
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


def managed(page: AppTest, device_id: str) -> AppTest:
    """The page with the dialog of a device open."""
    return page.button(key=f"manage-{device_id}").click().run()


def test_a_devices_mode_is_changed_in_its_dialog(hub: FakeHub) -> None:
    page = managed(opened(hub), "camera-1")
    assert page.selectbox(key="mode-camera-1").value == "VALIDATED_LEARNING"
    page.selectbox(key="mode-camera-1").select("MONITORING_ONLY").run()
    assert "never changes its model" in page.caption[0].value
    assert hub.asked["change_mode"] == 0, "choosing is not yet changing"
    page.button(key="change-mode-camera-1").click().run()
    assert not page.exception
    assert {one.device_id: one.mode for one in hub.devices()} == {
        "camera-1": "MONITORING_ONLY",
        "camera-2": "VALIDATED_LEARNING",
    }
    assert "“Monitoring only” from its next contact on" in page.success[0].value
    assert "<span>Mode</span>Monitoring only" in text(page)


def test_a_refused_change_of_mode_says_why(hub: FakeHub) -> None:
    page = managed(opened(hub), "camera-1")
    page.selectbox(key="mode-camera-1").select("CENTRALIZED").run()
    hub.refused = HubError("DEVICE_NOT_FOUND", "device camera-1 is unknown; register it first")
    page.button(key="change-mode-camera-1").click().run()
    assert not page.exception
    assert "is unknown" in page.error[0].value
    hub.refused = None
    page.button(key="change-mode-camera-1").click().run()
    assert not page.error
    assert hub.devices()[0].mode == "CENTRALIZED"


def test_a_devices_dialog_tells_its_lineage(hub: FakeHub) -> None:
    hub.add(
        adaptations=[
            adaptation(
                "one", kind="SENSOR_CORRECTION", drift_event_id="", state="ROLLED_BACK", reason="*harm*"
            ),
            adaptation("two", state="REFUSED", effect=None, reason="too little good"),
            adaptation("another's", device_id="camera-2", description="not shown here"),
        ]
    )
    page = managed(opened(hub), "camera-1")
    shown = text(page)
    assert shown.index(":gray-badge[Refused] **Labels of people**") < shown.index(
        ":red-badge[Rolled back] **Sensor correction**"
    ), "newest first"
    told = [one.value for one in page.caption]
    assert r"8 labels of people · too little good" in told
    assert any(r"stream distance +4.5 → -0.2 σ · \*harm\*" in one for one in told)
    assert not any("not shown here" in one for one in told)


def test_a_device_without_adaptations_says_so(hub: FakeHub) -> None:
    assert "not tried" in managed(opened(hub), "camera-2").caption[-1].value


def test_no_dialog_asks_nothing(hub: FakeHub) -> None:
    opened(hub)
    assert hub.asked["adaptations"] == 0
