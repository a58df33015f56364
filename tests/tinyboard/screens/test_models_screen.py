"""The Models page, run by Streamlit's own test runner against a fake hub."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from tests.fakes.hub import FakeHub
from tests.tinyboard import pages
from tests.tinyboard.builders import NOW, rollout, version
from tests.tinyboard.pages import run, text
from tinyboard.views.model_records import DeploymentView


def script() -> None:
    from tinyboard.screens import models

    models.show()


def opened(hub: FakeHub, **parameters: str) -> AppTest:
    return pages.opened(script, hub, reviewer="ada", **parameters)


def press(page: AppTest, key: str) -> AppTest:
    page.button(key=key).click()
    return run(page)


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
    page.toggle(key="devices-rollout-1").set_value(True)
    assert run(page).dataframe[1].value["Why"].tolist() == ["accuracy fell"]


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
    press(page, "FormSubmitter:new-rollout-Make a draft")
    (made,) = [one for key, one in hub.distribution.by_id.items() if key != "rollout-1"]
    assert (made.model.version, made.state, made.operator) == (2, "DRAFT", "ada")
    assert made.target_labels == (("line", "4"), ("site", "berlin"))
    press(page, f"start-{made.rollout_id}")
    assert hub.distribution.by_id[made.rollout_id].state == "RUNNING"


def test_labels_that_are_none_make_no_draft(hub: FakeHub) -> None:
    page = opened(hub)
    page.text_input(key="rollout-labels").input("berlin")
    press(page, "FormSubmitter:new-rollout-Make a draft")
    assert "expected label=value" in page.error[0].value.replace("\\", "")
    assert len(hub.distribution.by_id) == 1


def test_no_model_yet_says_how_one_comes() -> None:
    assert "No model is published" in opened(FakeHub()).info[0].value


def test_a_server_that_is_gone_says_so(hub: FakeHub) -> None:
    hub.gone = True
    assert "does not answer" in opened(hub).error[0].value.replace("\\", "")
