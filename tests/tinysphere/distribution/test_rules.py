"""What may follow what, and which rollout decides for a device."""

from dataclasses import replace
from itertools import product

import pytest

from tests.tinysphere.distribution.builders import ROLLOUT, deployment, rollout
from tinysphere.distribution.rules import (
    FOLLOWERS,
    STANDING,
    Verb,
    choose,
    deciding,
    may_follow,
    state_after,
    targets,
)
from tinysphere.domain.rollouts import DeploymentState, RolloutState
from tinysphere.errors import PreconditionError

RUNNING, PAUSED = RolloutState.RUNNING, RolloutState.PAUSED
COMMITTED, CANCELLED = DeploymentState.COMMITTED, DeploymentState.CANCELLED
ENDS = {
    DeploymentState.ROLLED_BACK,
    DeploymentState.FAILED,
    DeploymentState.REJECTED,
    DeploymentState.CANCELLED,
}

# Every pair of verb and state that is allowed, and where it leads. All others are refused.
VERBS = {
    (Verb.START, RolloutState.DRAFT): RUNNING,
    (Verb.START, RUNNING): RUNNING,
    (Verb.PAUSE, RUNNING): PAUSED,
    (Verb.PAUSE, PAUSED): PAUSED,
    (Verb.RESUME, PAUSED): RUNNING,
    (Verb.RESUME, RUNNING): RUNNING,
    (Verb.ABORT, RolloutState.DRAFT): RolloutState.ABORTED,
    (Verb.ABORT, RUNNING): RolloutState.ABORTED,
    (Verb.ABORT, PAUSED): RolloutState.ABORTED,
    (Verb.ABORT, RolloutState.ABORTED): RolloutState.ABORTED,
}


@pytest.mark.parametrize(("verb", "state"), list(product(Verb, RolloutState)))
def test_a_verb_leads_on_or_is_refused(verb: Verb, state: RolloutState) -> None:
    if (verb, state) in VERBS:
        assert state_after(verb, state) is VERBS[verb, state]
        return
    with pytest.raises(PreconditionError) as caught:
        state_after(verb, state)
    assert caught.value.reason == "ROLLOUT_STATE"


def test_every_state_of_a_deployment_has_its_followers() -> None:
    assert set(FOLLOWERS) == set(DeploymentState)


@pytest.mark.parametrize("state", DeploymentState)
def test_a_report_is_idempotent(state: DeploymentState) -> None:
    assert not may_follow(state, state)


def test_only_a_roll_back_follows_a_commitment() -> None:
    assert FOLLOWERS[COMMITTED] == {DeploymentState.ROLLED_BACK}


def test_reports_never_lead_back_to_an_earlier_step() -> None:
    steps = [state for state in DeploymentState if state not in ENDS]
    for index, step in enumerate(steps):
        assert not FOLLOWERS[step] & set(steps[: index + 1])


def test_a_device_says_no_more_after_it_gave_up() -> None:
    for end in ENDS - {CANCELLED}:
        assert not FOLLOWERS[end]


def test_a_device_that_had_switched_tells_what_it_runs_although_the_rollout_was_aborted() -> None:
    assert FOLLOWERS[CANCELLED] == {COMMITTED, DeploymentState.ROLLED_BACK}


def test_targets_carry_every_label() -> None:
    labels = {"site": "north", "line": "2"}
    assert targets({}, labels)
    assert targets({"site": "north"}, labels)
    assert not targets({"site": "south"}, labels)
    assert not targets({"site": "north", "line": "2", "camera": "a"}, labels)


def test_of_the_rollouts_that_cover_each_other_the_newest_decides() -> None:
    old, new = rollout(1, start_revision=1), rollout(2, start_revision=2)
    assert deciding([old, new]) == (new,)


def test_an_older_rollout_decides_for_those_a_newer_one_leaves_out() -> None:
    everywhere = rollout(1, start_revision=1)
    north = rollout(2, start_revision=2, target_labels={"site": "north"})
    line = rollout(3, start_revision=3, target_labels={"site": "north", "line": "2"})
    assert deciding([everywhere, line, north]) == (line, north, everywhere)


def test_a_paused_rollout_hides_none() -> None:
    old, paused = rollout(1, start_revision=1), rollout(2, start_revision=2, state=PAUSED)
    assert deciding([old, paused]) == (paused, old)


def test_what_decides_stays_short_however_many_rollouts_a_fleet_has_seen() -> None:
    sites = [{"site": name} for name in ("north", "south", "west")]
    many = [
        rollout(number, start_revision=number, target_labels=sites[number % 3], state=RolloutState.SUCCEEDED)
        for number in range(1, 300)
    ]
    assert [kept.start_revision for kept in deciding(many)] == [299, 298, 297]


def test_pruned_rollouts_never_change_a_choice() -> None:
    """Against the plain rule over all of them, for every combination of four small rollouts."""
    places: list[dict[str, str]] = [{}, {"site": "north"}]
    device = {"site": "north"}
    for states in product(STANDING, repeat=3):
        for labels in product(places, repeat=3):
            known = [
                rollout(number + 1, start_revision=number + 1, state=state, target_labels=place)
                for number, (state, place) in enumerate(zip(states, labels, strict=True))
            ]
            newest_first = [one for one in reversed(known) if targets(one.target_labels, device)]
            for begun in (None, *known):
                deployments = {begun.rollout_id: deployment(begun, DeploymentState.STAGED)} if begun else {}
                plain = choose(newest_first, deployments, "")
                pruned = [one for one in deciding(known) if targets(one.target_labels, device)]
                assert choose(pruned, deployments, "") == plain


def test_nothing_is_chosen_without_a_rollout() -> None:
    assert choose([], {}, "") is None


def test_a_running_rollout_is_offered_and_recorded_once() -> None:
    first = choose([ROLLOUT], {}, "")
    assert first is not None
    assert (first.offer, first.record) == (True, DeploymentState.OFFERED)
    stored = {ROLLOUT.rollout_id: deployment(ROLLOUT, DeploymentState.OFFERED)}
    again = choose([ROLLOUT], stored, "")
    assert again is not None
    assert (again.offer, again.record) == (True, None)


def test_a_device_that_runs_the_version_already_has_committed() -> None:
    choice = choose([ROLLOUT], {}, ROLLOUT.model.bundle_sha256)
    assert choice is not None
    assert (choice.offer, choice.record) == (False, COMMITTED)


def test_a_version_on_trial_runs_but_is_not_committed() -> None:
    stored = {ROLLOUT.rollout_id: deployment(ROLLOUT, DeploymentState.TRIAL)}
    choice = choose([ROLLOUT], stored, ROLLOUT.model.bundle_sha256)
    assert choice is not None
    assert (choice.offer, choice.record) == (False, None)


@pytest.mark.parametrize("end", [state for state in DeploymentState if state in ENDS - {CANCELLED}])
def test_a_rollout_is_tried_once_on_a_device(end: DeploymentState) -> None:
    choice = choose([ROLLOUT], {ROLLOUT.rollout_id: deployment(ROLLOUT, end)}, "")
    assert choice is not None
    assert (choice.offer, choice.record) == (False, None)


def test_a_device_that_lost_a_committed_version_gets_it_again() -> None:
    choice = choose([ROLLOUT], {ROLLOUT.rollout_id: deployment(ROLLOUT, COMMITTED)}, "")
    assert choice is not None
    assert (choice.offer, choice.record) == (True, None)


def test_a_device_taken_over_comes_back_when_the_newer_rollout_is_gone() -> None:
    choice = choose([ROLLOUT], {ROLLOUT.rollout_id: deployment(ROLLOUT, CANCELLED)}, "")
    assert choice is not None
    assert (choice.offer, choice.record) == (True, DeploymentState.OFFERED)


def test_a_paused_rollout_goes_on_only_where_it_had_begun() -> None:
    paused = replace(ROLLOUT, state=PAUSED)
    assert choose([paused], {}, "") is None
    assert choose([paused], {paused.rollout_id: deployment(paused, DeploymentState.OFFERED)}, "") is None
    begun = choose([paused], {paused.rollout_id: deployment(paused, DeploymentState.DOWNLOADING)}, "")
    assert begun is not None
    assert begun.offer


def test_while_the_newer_rollout_pauses_the_older_one_decides() -> None:
    paused = rollout(2, start_revision=2, state=PAUSED)
    choice = choose([paused, ROLLOUT], {}, "")
    assert choice is not None
    assert choice.rollout == ROLLOUT
