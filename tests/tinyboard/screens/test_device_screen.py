"""The Device page, run by Streamlit's own test runner against a fake hub."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tests.fakes.hub import FakeHub
from tests.tinyboard import pages
from tests.tinyboard.builders import adaptation, device, event, log, series
from tests.tinyboard.pages import run, text
from tinyboard.client.calls import HubError

NOW = datetime.now(UTC)
"""The page shows what was lately."""


def script() -> None:
    from tinyboard.screens import device

    device.show()


def opened(hub: FakeHub, device_id: str = "camera-1", **parameters: str) -> AppTest:
    return pages.opened(script, hub, device=device_id, **parameters)


def charts(page: AppTest) -> list[dict[str, Any]]:
    return [json.loads(one.proto.spec) for one in page.get("plotly_chart")]


@pytest.fixture
def hub() -> FakeHub:
    hub = FakeHub()
    hub.add(
        devices=[
            device("camera-1", display_name="Gate *1*", drifting=True, runtime="ai-edge-litert 2.3.0"),
            device("camera-2"),
        ],
        events=[event(start_time=NOW - timedelta(hours=2), severity="CRITICAL")],
    )
    return hub


def test_it_says_how_the_device_is(hub: FakeHub) -> None:
    shown = text(opened(hub))
    assert r"Gate \*1\*" in shown, "a name is text, not Markdown"
    assert ":orange-badge[:material/warning: Drifting]" in shown
    assert "<span>Runtime</span>ai-edge-litert 2.3.0" in shown


def test_another_device_is_chosen_on_the_page(hub: FakeHub) -> None:
    page = opened(hub)
    page.selectbox(key="device").select("camera-2")
    assert page.run().title[0].value == r"camera\-2"


def test_an_unknown_device_in_the_address_shows_the_first(hub: FakeHub) -> None:
    assert r"Gate \*1\*" in opened(hub, "camera-nobody-knows").title[0].value


def test_without_devices_it_says_how_to_start_one() -> None:
    assert "tinylcm run" in opened(FakeHub()).info[0].value


def test_drift_and_metrics_are_drawn_over_the_same_time(hub: FakeHub) -> None:
    hub.add(series=[("camera-1", series("latency_ms.p95", (NOW - timedelta(hours=1), 2.5)))])
    timeline, latency = charts(opened(hub))
    assert timeline["layout"]["xaxis"]["range"] == latency["layout"]["xaxis"]["range"]
    assert latency["data"][0]["y"] == [2.5]
    assert len(latency["layout"]["shapes"]) == 1, "the drift is shaded"


def test_the_span_comes_from_the_address(hub: FakeHub) -> None:
    hub.add(series=[("camera-1", series("latency_ms.p95", (NOW - timedelta(hours=3), 2.5)))])
    assert len(charts(opened(hub, span="1 day"))) == 2
    shown = opened(hub, span="1 hour")
    assert len(charts(shown)) == 1
    assert "Nothing was measured in this time." in text(shown)


def test_other_metrics_are_chosen_on_the_page(hub: FakeHub) -> None:
    names = ("latency_ms.p95", "memory_bytes", "outbox.size_bytes")
    hub.add(series=[("camera-1", series(name, (NOW - timedelta(minutes=5), 1.0))) for name in names])
    page = opened(hub)
    assert page.multiselect(key="metrics-camera-1").value == ["latency_ms.p95", "memory_bytes"]
    page.multiselect(key="metrics-camera-1").set_value(["outbox.size_bytes"])
    assert len(charts(run(page))) == 2


def test_the_log_is_searched(hub: FakeHub) -> None:
    hub.add(
        logs=[
            log("link is *back*"),
            log("too small to tell", level="DEBUG"),
            log("disk full", level="ERROR"),
            log("of another", device_id="camera-2"),
        ]
    )
    shown = text(opened(hub))
    assert r"link is \*back\*" in shown, "a log is text, not Markdown"
    assert ":red-badge[Error]" in shown
    assert "too small" not in shown
    assert "of another" not in shown
    narrowed = text(opened(hub, **{"log-words": "disk"}))
    assert "disk full" in narrowed
    assert "link is" not in narrowed


def test_a_devices_mode_is_changed(hub: FakeHub) -> None:
    page = opened(hub)
    assert page.selectbox(key="mode-camera-1").value == "VALIDATED_LEARNING"
    page.selectbox(key="mode-camera-1").select("MONITORING_ONLY")
    assert "never changes its model" in text(run(page))
    assert hub.asked["change_mode"] == 0, "choosing is not yet changing"
    page.button(key="change-mode-camera-1").click()
    assert "“Monitoring only” from its next contact on" in run(page).success[0].value
    assert {one.device_id: one.mode for one in hub.devices()} == {
        "camera-1": "MONITORING_ONLY",
        "camera-2": "VALIDATED_LEARNING",
    }
    assert "<span>Mode</span>Monitoring only" in text(page)


def test_a_refused_change_of_mode_says_why(hub: FakeHub) -> None:
    page = opened(hub)
    page.selectbox(key="mode-camera-1").select("CENTRALIZED").run()
    hub.refused = HubError("DEVICE_NOT_FOUND", "device camera-1 is unknown; register it first")
    page.button(key="change-mode-camera-1").click()
    assert "is unknown" in run(page).error[0].value
    hub.refused = None
    page.button(key="change-mode-camera-1").click()
    assert not run(page).error
    assert hub.devices()[0].mode == "CENTRALIZED"


def test_the_lineage_is_told(hub: FakeHub) -> None:
    hub.add(
        adaptations=[
            adaptation(
                "one", kind="SENSOR_CORRECTION", drift_event_id="", state="ROLLED_BACK", reason="*harm*"
            ),
            adaptation("two", state="REFUSED", effect=None, reason="too little good"),
            adaptation("another's", device_id="camera-2", description="not shown here"),
        ]
    )
    shown = text(opened(hub))
    assert shown.index(":gray-badge[Refused] **Labels of people**") < shown.index(
        ":red-badge[Rolled back] **Sensor correction**"
    ), "newest first"
    assert r"8 labels of people · too little good" in shown
    assert r"stream distance +4.5 → -0.2 σ · \*harm\*" in shown
    assert "not shown here" not in shown


def test_a_device_without_adaptations_says_so(hub: FakeHub) -> None:
    assert "not tried" in text(opened(hub, "camera-2"))


def test_a_server_that_is_gone_says_so_and_the_page_comes_back(hub: FakeHub) -> None:
    hub.gone = True
    page = opened(hub)
    assert "does not answer" in page.error[0].value
    hub.gone = False
    assert not run(page).error
