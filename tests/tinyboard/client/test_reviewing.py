"""Queue, undo, labels and settings: one suite for the real hub over gRPC and for the fake one."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from tests.tinyboard.client.worlds import World
from tinyboard.client.calls import HubError
from tinyboard.views.records import VerdictView


def leased(world: World, reviewer: str, count: int = 48) -> list[str]:
    view = world.hub.reviewing.lease(reviewer, count, drift_event_id=world.drift_event_id)
    return [lease.sample.sample_id for lease in view.leases]


def undo(world: World, sample_id: str, reviewer: str = "ada") -> None:
    world.hub.judge(
        [VerdictView(sample_id=sample_id, reviewer=reviewer, decision="WITHDRAWN", occasion=uuid.uuid4().hex)]
    )


def test_a_sample_is_handed_to_one_reviewer_until_it_is_given_back(world: World) -> None:
    view = world.hub.reviewing.lease("ada", 2, drift_event_id=world.drift_event_id)
    assert (len(view.leases), view.open_sample_count) == (2, 3)
    assert all(lease.expire_time is not None for lease in view.leases)
    mine = [lease.sample.sample_id for lease in view.leases]
    others = leased(world, "bob")
    assert len(others) == 1
    assert not set(mine) & set(others)
    world.hub.reviewing.release("ada", mine, skip=False)
    assert set(leased(world, "bob")) == {*mine, *others}


def test_own_leases_are_renewed_and_skipped_samples_come_last(world: World) -> None:
    first, *rest = leased(world, "ada")
    assert set(leased(world, "ada", 1)) < {first, *rest}
    world.hub.reviewing.release("ada", [first], skip=True)
    assert set(leased(world, "ada", 2)) == set(rest)
    assert leased(world, "ada")[-1] == first


def test_judged_samples_leave_the_queue(world: World) -> None:
    world.hub.judge([world.verdict(0)])
    assert world.samples()[0].sample_id not in leased(world, "bob")


def test_undo_opens_the_sample_again_and_the_same_verdict_may_be_given_on_another_occasion(
    world: World,
) -> None:
    verdict = replace(world.verdict(0), occasion="first")
    world.hub.judge([verdict])
    undo(world, verdict.sample_id)
    assert not world.samples()[0].judged
    world.hub.judge([replace(verdict, occasion="second")])
    assert world.samples()[0].judged
    said = [one.decision for one in world.hub.reviewing.given(verdict.sample_id, "ada")]
    assert said == ["NEW_LABEL", "WITHDRAWN", "NEW_LABEL"]


def test_nothing_is_undone_twice(world: World) -> None:
    world.hub.judge([world.verdict(0)])
    sample_id = world.samples()[0].sample_id
    undo(world, sample_id)
    with pytest.raises(HubError) as refused:
        undo(world, sample_id)
    assert refused.value.reason == "NOTHING_TO_WITHDRAW"


def test_who_cannot_tell_is_not_asked_again(world: World) -> None:
    world.hub.judge([world.verdict(0, "CANNOT_TELL", "")])
    sample_id = world.samples()[0].sample_id
    assert not world.samples()[0].judged
    assert sample_id not in leased(world, "ada")
    world.hub.reviewing.release("ada", leased(world, "ada"), skip=False)
    assert sample_id in leased(world, "bob")


def test_labels_are_added_once_and_merged(world: World) -> None:
    old, new = (f"label {uuid.uuid4()}" for _ in range(2))
    for name in (old, new, new):
        assert world.hub.reviewing.add_label(name, reviewer="ada").name == name
    world.hub.reviewing.rename_label(old, new, reviewer="ada")
    (label,) = [one for one in world.hub.reviewing.labels() if one.name == new]
    assert old in label.aliases
    assert old not in {one.name for one in world.hub.reviewing.labels()}
    with pytest.raises(HubError) as refused:
        world.hub.reviewing.rename_label(str(uuid.uuid4()), "x", reviewer="ada")
    assert refused.value.reason == "LABEL_NOT_FOUND"


def test_settings_are_changed_by_who_saw_the_newest(world: World) -> None:
    seen = world.hub.reviewing.settings()
    changed = world.hub.reviewing.change_settings(replace(seen, order="OLDEST", reviewer="ada"))
    assert (changed.order, changed.reviewer) == ("OLDEST", "ada")
    with pytest.raises(HubError) as refused:
        world.hub.reviewing.change_settings(replace(seen, order="NEWEST", reviewer="bob"))
    assert refused.value.reason == "REVIEW_SETTINGS_CHANGED"
    world.hub.reviewing.change_settings(
        replace(seen, revision=world.hub.reviewing.settings().revision, reviewer="ada")
    )


def test_nothing_to_agree_on_is_no_failure(world: World) -> None:
    assert world.hub.reviewing.agreement().pairs is not None
    assert all(one.sample_id for one in world.hub.reviewing.disagreements())


def test_what_an_event_still_needs_is_told(world: World) -> None:
    budget = world.hub.budget(world.drift_event_id)
    assert budget.open_sample_count == 3
    assert 1 <= budget.main_group_count <= budget.open_group_count <= 3
