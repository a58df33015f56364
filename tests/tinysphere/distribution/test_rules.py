"""What may follow what, and which rollout decides for a device."""

from dataclasses import replace
from itertools import product

import pytest

from tests.tinysphere.distribution.builders import ROLLOUT, deployment, rollout
from tinysphere.distribution.rules import FOLLOWERS, Verb, choose, may_follow, state_after
from tinysphere.domain.rollouts import DeploymentState, Rollout, RolloutState
from tinysphere.errors import PreconditionError

RUNNING, PAUSED = RolloutState.RUNNING, RolloutState.PAUSED
COMMITTED, CANCELLED = DeploymentState.COMMITTED, DeploymentState.CANCELLED


def first_wave(_rollout: Rollout) -> int:
    return 0


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


def test_nothing_is_chosen_without_a_rollout() -> None:
    assert choose([], {}, "", wave_of=first_wave) is None


def test_a_running_rollout_is_offered_and_recorded_once() -> None:
    first = choose([ROLLOUT], {}, "", wave_of=first_wave)
    assert first is not None
    assert (first.offer, first.record) == (True, DeploymentState.OFFERED)
    stored = {ROLLOUT.rollout_id: deployment(ROLLOUT, DeploymentState.OFFERED)}
    again = choose([ROLLOUT], stored, "", wave_of=first_wave)
    assert again is not None
    assert (again.offer, again.record) == (True, None)


def test_a_device_that_runs_the_version_already_has_committed() -> None:
    choice = choose([ROLLOUT], {}, ROLLOUT.model.bundle_sha256, wave_of=first_wave)
    assert choice is not None
    assert (choice.offer, choice.record) == (False, COMMITTED)


def test_a_version_on_trial_runs_but_is_not_committed() -> None:
    stored = {ROLLOUT.rollout_id: deployment(ROLLOUT, DeploymentState.TRIAL)}
    choice = choose([ROLLOUT], stored, ROLLOUT.model.bundle_sha256, wave_of=first_wave)
    assert choice is not None
    assert (choice.offer, choice.record) == (False, None)


@pytest.mark.parametrize("end", [state for state in DeploymentState if state in ENDS - {CANCELLED}])
def test_a_rollout_is_tried_once_on_a_device(end: DeploymentState) -> None:
    choice = choose([ROLLOUT], {ROLLOUT.rollout_id: deployment(ROLLOUT, end)}, "", wave_of=first_wave)
    assert choice is not None
    assert (choice.offer, choice.record) == (False, None)


def test_a_device_that_lost_a_committed_version_gets_it_again() -> None:
    choice = choose([ROLLOUT], {ROLLOUT.rollout_id: deployment(ROLLOUT, COMMITTED)}, "", wave_of=first_wave)
    assert choice is not None
    assert (choice.offer, choice.record) == (True, None)


def test_a_device_taken_over_comes_back_when_the_newer_rollout_is_gone() -> None:
    choice = choose([ROLLOUT], {ROLLOUT.rollout_id: deployment(ROLLOUT, CANCELLED)}, "", wave_of=first_wave)
    assert choice is not None
    assert (choice.offer, choice.record) == (True, DeploymentState.OFFERED)


def test_a_paused_rollout_goes_on_only_where_it_had_begun() -> None:
    paused = replace(ROLLOUT, state=PAUSED)
    assert choose([paused], {}, "", wave_of=first_wave) is None
    assert (
        choose(
            [paused], {paused.rollout_id: deployment(paused, DeploymentState.OFFERED)}, "", wave_of=first_wave
        )
        is None
    )
    begun = choose(
        [paused], {paused.rollout_id: deployment(paused, DeploymentState.DOWNLOADING)}, "", wave_of=first_wave
    )
    assert begun is not None
    assert begun.offer


def test_while_the_newer_rollout_pauses_the_older_one_decides() -> None:
    paused = rollout(2, start_revision=2, state=PAUSED)
    choice = choose([paused, ROLLOUT], {}, "", wave_of=first_wave)
    assert choice is not None
    assert choice.rollout == ROLLOUT


def test_a_device_of_a_later_wave_waits_unless_it_has_begun() -> None:
    assert choose([ROLLOUT], {}, "", wave_of=lambda _: 1) is None
    stored = {ROLLOUT.rollout_id: deployment(ROLLOUT, DeploymentState.DOWNLOADING)}
    begun = choose([ROLLOUT], stored, "", wave_of=lambda _: 1)
    assert begun is not None
    assert begun.offer
    over = replace(ROLLOUT, state=RolloutState.SUCCEEDED)
    assert choose([over], {}, "", wave_of=lambda _: 1) is not None


def test_while_its_wave_is_closed_an_older_rollout_decides_for_a_device() -> None:
    newer = rollout(2, start_revision=2)
    choice = choose([newer, ROLLOUT], {}, "", wave_of=lambda one: 1 if one is newer else 0)
    assert choice is not None
    assert choice.rollout == ROLLOUT
