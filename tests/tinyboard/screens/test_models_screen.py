"""The Models page, run by Streamlit's own test runner against a fake hub."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tests.fakes.hub import FakeHub
from tests.tinyboard import pages
from tests.tinyboard.builders import NOW, rollout, version
from tests.tinyboard.pages import run, text
from tinyboard.views.model_records import DeploymentView, WaveView


def script() -> None:
    from tinyboard.screens import models

    models.show()


def opened(hub: FakeHub, **parameters: str) -> AppTest:
    return pages.opened(script, hub, reviewer="ada", **parameters)


def press(page: AppTest, key: str) -> AppTest:
    page.button(key=key).click()
    return run(page)


def shown(page: AppTest, details: str) -> Any:
    page.segmented_control(key="details-rollout-1").set_value(details)
    return run(page).dataframe[1]


@pytest.fixture
def hub() -> FakeHub:
    hub = FakeHub()
    hub.distribution.published = [version(1), version(2), version(1, "motion")]
    hub.distribution.by_id["rollout-1"] = rollout()
    hub.distribution.parts["rollout-1"] = [
        DeploymentView(device_id="camera-1", state="ROLLED_BACK", reason="accuracy fell", report_time=NOW)
    ]
    return hub


def test_versions_of_the_chosen_model_are_listed(hub: FakeHub) -> None:
    assert opened(hub).dataframe[0].value["Version"].tolist() == [2, 1]
    assert opened(hub, model="motion").dataframe[0].value["Version"].tolist() == [1]


def test_a_rollout_shows_its_counts_and_devices(hub: FakeHub) -> None:
    page = opened(hub)
    assert ":blue-badge[Running]" in text(page)
    assert ":green-badge[Committed 2]" in text(page)
    assert shown(page, "Devices").value["Why"].tolist() == ["accuracy fell"]


def test_a_rollout_shows_its_waves_and_what_was_decided(hub: FakeHub) -> None:
    waves = (WaveView(name="lab", device_count=2, committed_count=1, failed_count=1), WaveView(name="all"))
    stopped = rollout(state="PAUSED", waves=waves, status="wave lab: 1 of 2 decided devices failed, 0.2 may")
    hub.distribution.by_id["rollout-1"] = stopped
    page = opened(hub)
    assert "1 of 2 decided devices failed" in page.caption[0].value
    assert shown(page, "Waves").value["Failed"].tolist() == [1, 0]
    press(page, "retry-rollout-1")
    press(page, "resume-rollout-1")
    decisions = shown(page, "Decisions").value
    assert decisions["What"].tolist() == ["Resume", "Retry"]
    assert decisions["Who"].tolist() == ["ada", "ada"]


def test_a_wave_is_approved_where_it_asks_for_it(hub: FakeHub) -> None:
    waves = (WaveView(name="lab"), WaveView(name="all", approval_required=True))
    hub.distribution.by_id["rollout-1"] = rollout(waves=waves)
    press(opened(hub), "approve-rollout-1")
    (decision,) = hub.distribution.decided["rollout-1"]
    assert (decision.action, decision.wave_index) == ("APPROVE", 1)


def test_nobody_approves_the_start_of_what_he_made(hub: FakeHub) -> None:
    hub.distribution.by_id["rollout-1"] = rollout(state="DRAFT", operator="ada", approval_required=True)
    page = press(opened(hub), "approve-rollout-1")
    assert "somebody else must approve it" in page.error[0].value


def test_what_an_action_does_is_told_before_it_is_done(hub: FakeHub) -> None:
    page = opened(hub)
    assert "withdrawn from devices" in text(page)
    press(page, "pause-rollout-1")
    assert hub.distribution.by_id["rollout-1"].state == "PAUSED"
    press(page, "resume-rollout-1")
    press(page, "abort-rollout-1")
    assert hub.distribution.by_id["rollout-1"].state == "ABORTED"
    assert not [one for one in page.button if str(one.key).endswith("-rollout-1")]


def test_an_action_that_comes_too_late_says_so(hub: FakeHub) -> None:
    page = opened(hub)
    hub.distribution.by_id["rollout-1"] = rollout(state="SUCCEEDED")
    press(page, "abort-rollout-1")
    assert "cannot be changed so" in page.error[0].value


def test_a_draft_is_made_for_labelled_devices_and_started(hub: FakeHub) -> None:
    page = opened(hub)
    page.text_input(key="rollout-labels").input("site=berlin, line=4")
    page.text_input(key="rollout-waves").input("5, 100")
    press(page, "FormSubmitter:new-rollout-Make a draft")
    (made,) = [one for key, one in hub.distribution.by_id.items() if key != "rollout-1"]
    assert (made.model.version, made.state, made.operator) == (2, "DRAFT", "ada")
    assert made.target_labels == (("line", "4"), ("site", "berlin"))
    assert [wave.name for wave in made.waves] == ["5 %", "100 %"]
    press(page, f"start-{made.rollout_id}")
    assert hub.distribution.by_id[made.rollout_id].state == "RUNNING"


@pytest.mark.parametrize(
    ("field", "typed", "told"),
    [
        ("rollout-labels", "berlin", "expected label=value"),
        ("rollout-waves", "100, 5", "expected growing percentages"),
    ],
)
def test_what_cannot_be_read_makes_no_draft(hub: FakeHub, field: str, typed: str, told: str) -> None:
    page = opened(hub)
    page.text_input(key=field).input(typed)
    press(page, "FormSubmitter:new-rollout-Make a draft")
    assert told in page.error[0].value.replace("\\", "")
    assert len(hub.distribution.by_id) == 1


def test_no_model_yet_says_how_one_comes() -> None:
    assert "No model is published" in opened(FakeHub()).info[0].value


def test_a_server_that_is_gone_says_so(hub: FakeHub) -> None:
    hub.gone = True
    assert "does not answer" in opened(hub).error[0].value.replace("\\", "")
