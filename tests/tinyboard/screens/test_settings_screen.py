"""The Settings page, run by Streamlit's own test runner against a fake hub."""

from __future__ import annotations

from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from tests.fakes.hub import FakeHub
from tests.tinyboard import pages
from tests.tinyboard.builders import label, rule
from tests.tinyboard.pages import run, text


def script() -> None:
    from tinyboard.screens import settings

    settings.show()


def opened(hub: FakeHub, view: str) -> AppTest:
    return pages.opened(script, hub, reviewer="ada", **{"settings-view": view})


def press(page: AppTest, key: str) -> AppTest:
    page.button(key=key).click()
    return run(page)


@pytest.fixture
def hub() -> FakeHub:
    hub = FakeHub()
    hub.reviewing.catalogue = {
        "bag": label("bag", sample_count=3),
        "tote": label("tote", sample_count=2),
    }
    hub.notifications.by_id["rule-1"] = rule()
    return hub


def test_labels_are_listed_and_added(hub: FakeHub) -> None:
    page = opened(hub, "Labels")
    assert page.dataframe[0].value["Label"].tolist() == ["bag", "tote"]
    page.text_input(key="label-added").input("  hat ")
    press(page, "FormSubmitter:add-label-Add")
    assert hub.reviewing.catalogue["hat"].creator == "ada"
    assert "is in the catalogue" in page.success[0].value
    press(page, "FormSubmitter:add-label-Add")
    assert len(hub.reviewing.catalogue) == 3, "an empty name adds nothing"


def test_a_merge_says_first_what_it_does(hub: FakeHub) -> None:
    page = opened(hub, "Labels")
    assert not [one for one in page.button if one.key == "rename"]
    page.text_input(key="rename-to").input("tote")
    run(page)
    assert "3 samples judged **bag** become **tote**" in page.warning[0].value
    assert page.button(key="rename").label == "Merge"
    press(page, "rename")
    assert set(hub.reviewing.catalogue) == {"tote"}
    assert "3 judgements changed" in page.success[0].value


def test_a_refused_rename_says_why(hub: FakeHub) -> None:
    page = opened(hub, "Labels")
    page.text_input(key="rename-to").input("hat")
    run(page)
    del hub.reviewing.catalogue["bag"]
    press(page, "rename")
    assert "there is no label bag" in page.error[0].value


def test_an_empty_catalogue_says_how_labels_come(hub: FakeHub) -> None:
    hub.reviewing.catalogue.clear()
    assert "No label yet" in opened(hub, "Labels").info[0].value


def test_the_policy_is_saved_under_the_reviewers_name(hub: FakeHub) -> None:
    page = opened(hub, "Policy")
    page.radio(key="settings-0-policy").set_value("AGREEMENT")
    page.number_input(key="settings-0-required").set_value(2)
    page.number_input(key="settings-0-asked").set_value(3)
    press(page, "FormSubmitter:settings-0-Save")
    kept = hub.reviewing.kept
    assert (kept.policy, kept.required_count, kept.reviewer_count) == ("AGREEMENT", 2, 3)
    assert (kept.reviewer, kept.lease_s, kept.revision) == ("ada", 600, 1)
    assert "Saved" in page.success[0].value


def test_one_verdict_needs_one_reviewer_whatever_the_fields_say(hub: FakeHub) -> None:
    page = opened(hub, "Policy")
    page.number_input(key="settings-0-asked").set_value(5)
    press(page, "FormSubmitter:settings-0-Save")
    assert (hub.reviewing.kept.required_count, hub.reviewing.kept.reviewer_count) == (1, 1)


def test_settings_that_somebody_changed_meanwhile_are_shown_and_not_overwritten(hub: FakeHub) -> None:
    page = opened(hub, "Policy")
    hub.reviewing.change_settings(
        replace(hub.reviewing.kept, policy="AGREEMENT", required_count=2, reviewer_count=2, reviewer="bob")
    )
    press(page, "FormSubmitter:settings-0-Save")
    assert hub.reviewing.kept.reviewer == "bob"
    assert "nothing of yours was saved" in page.error[0].value
    assert "bob changed these settings" in page.warning[0].value
    press(page, "settings-reload")
    assert not page.warning
    assert page.radio(key="settings-1-policy").value == "AGREEMENT"


def test_a_refused_policy_says_why(hub: FakeHub) -> None:
    page = opened(hub, "Policy")
    page.radio(key="settings-0-policy").set_value("ADJUDICATOR")
    press(page, "FormSubmitter:settings-0-Save")
    assert "at least one is needed" in page.error[0].value.replace("\\", "")


def test_rules_are_listed_tested_and_deleted(hub: FakeHub) -> None:
    page = opened(hub, "Notifications")
    assert ":green-badge[On] **Shift**" in text(page)
    press(page, "test-rule-1")
    assert ":green-badge[Sent]" in page.info[0].value
    assert page.dataframe[0].value["Rule"].tolist() == ["Shift"]
    hub.notifications.broken = {"mailtos://***@example.org"}
    press(page, "test-rule-1")
    assert "connection refused" in page.error[0].value
    press(page, "delete-rule-1")
    assert not hub.notifications.by_id
    assert "Nobody is told" in page.info[1].value
    assert page.dataframe[0].value["Rule"].tolist() == ["deleted rule", "deleted rule"]


def test_a_rule_is_edited_and_its_secret_kept(hub: FakeHub) -> None:
    page = press(opened(hub, "Notifications"), "edit-rule-1")
    page.text_input(key="form-rule-1-name").input("Night shift")
    page.toggle(key="form-rule-1-quiet").set_value(True)
    press(page, "FormSubmitter:form-rule-1-Save")
    kept = hub.notifications.by_id["rule-1"]
    assert (kept.name, kept.reviewer, kept.channels) == ("Night shift", "ada", rule().channels)
    assert kept.quiet is not None
    assert (kept.quiet.start_minute, kept.quiet.end_minute) == (1_320, 420)
    assert "is in force" in page.info[0].value
    assert not [one for one in page.text_input if one.key == "form-rule-1-name"]


def test_a_rule_the_server_cannot_read_stays_in_the_form(hub: FakeHub) -> None:
    page = press(opened(hub, "Notifications"), "edit-rule-1")
    page.text_area(key="form-rule-1-channels").input("nonsense")
    press(page, "FormSubmitter:form-rule-1-Save")
    assert "Apprise cannot read" in page.error[0].value
    assert page.text_area(key="form-rule-1-channels").value == "nonsense"
    press(page, "discard-rule")
    assert hub.notifications.by_id["rule-1"] == rule()


def test_a_rule_is_added(hub: FakeHub) -> None:
    page = press(opened(hub, "Notifications"), "add-rule")
    (name,) = [one for one in page.text_input if str(one.key).endswith("-name")]
    name.input("Ops")
    (topics,) = [one for one in page.multiselect if str(one.key).endswith("-topics")]
    topics.set_value(["DEVICE_OFFLINE"])
    page.text_area[0].input("json://hooks.example.org\n\n mailto://a@example.org ")
    (save,) = [one for one in page.button if one.label == "Save"]
    save.click()
    run(page)
    (added,) = [one for one in hub.notifications.by_id.values() if one.name == "Ops"]
    assert added.channels == ("json://hooks.example.org", "mailto://a@example.org")
    assert (added.topics, added.enabled, added.quiet) == (("DEVICE_OFFLINE",), True, None)


@pytest.mark.parametrize("view", ["Labels", "Policy", "Notifications"])
def test_a_server_that_is_gone_is_said_on_every_view(hub: FakeHub, view: str) -> None:
    hub.gone = True
    assert "does not answer" in opened(hub, view).error[0].value.replace("\\", "")
