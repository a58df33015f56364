"""What follows from changes of rollouts by itself, over real stores: devices are told, waves open, versions return."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.tinysphere.distribution.builders import ROLLOUT, uuid
from tests.tinysphere.distribution.world import World
from tinysphere.distribution.rules import Verb
from tinysphere.distribution.waves import HEARTBEAT_GRACE, wave_of
from tinysphere.domain.rollout_plans import FailureAction, OfflinePolicy, ScheduleWindow, Strategy, Wave
from tinysphere.domain.rollouts import DeploymentReport, DeploymentState, RolloutAction, RolloutState
from tinysphere.errors import PreconditionError, UnavailableError
from tinysphere.storage.sql.database import Database

State = DeploymentState


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


def test_targets_are_told_the_revision(world: World) -> None:
    world.fleet.add("camera-1", "camera-2", "camera-3", site="north")
    world.fleet.add("camera-4", site="south")
    world.start(1, site="north")
    world.survey()
    assert world.fleet.marks == {f"camera-{number}": 2 for number in (1, 2, 3)}
    asked = dict(world.fleet.asked)
    world.survey()
    assert world.fleet.asked == asked


def test_what_could_not_be_told_stays_due(world: World) -> None:
    world.fleet.add("camera-1")
    world.start(1)
    world.fleet.away = True
    with pytest.raises(UnavailableError):
        world.survey()
    world.fleet.away = False
    world.survey()
    assert world.fleet.marks == {"camera-1": 2}


def test_a_draft_is_told_to_nobody_and_a_pause_neither(world: World) -> None:
    world.fleet.add("camera-1")
    world.operations.create(world.plan(1, 1))
    world.survey()
    world.change(1, Verb.START)
    world.change(1, Verb.PAUSE)
    world.survey()
    assert world.fleet.marks == {}
    world.change(1, Verb.RESUME)
    world.survey()
    assert world.fleet.marks == {"camera-1": 4}


def test_an_abort_is_told_to_those_who_heard_of_the_rollout(world: World) -> None:
    world.fleet.add("camera-1", "camera-2")
    world.start(1)
    world.check("camera-1")
    world.change(1, Verb.ABORT)
    world.survey()
    assert world.fleet.marks == {"camera-1": 3}


def test_a_rollout_succeeds_when_every_target_has_committed(world: World) -> None:
    world.fleet.add("camera-1", "camera-2", "camera-3")
    world.start(1)
    world.survey()
    for number in (1, 2, 3):
        assert world.state(1) is RolloutState.RUNNING
        world.commit(f"camera-{number}", 1)
        world.survey()
    assert world.state(1) is RolloutState.SUCCEEDED
    assert world.rollout(1).revision == 3
    with pytest.raises(PreconditionError):
        world.change(1, Verb.ABORT)


def test_a_target_that_registered_meanwhile_counts(world: World) -> None:
    world.fleet.add("camera-1")
    world.start(1)
    world.survey()
    world.fleet.add("camera-2")
    world.commit("camera-1", 1)
    world.survey()
    assert world.state(1) is RolloutState.RUNNING
    world.commit("camera-2", 1)
    world.survey()
    assert world.state(1) is RolloutState.SUCCEEDED


def test_an_abort_during_a_survey_is_not_turned_into_success(world: World) -> None:
    world.fleet.add("camera-1")
    world.start(1)
    world.commit("camera-1", 1)
    world.fleet.meanwhile = lambda: world.change(1, Verb.ABORT)
    world.survey()
    assert world.state(1) is RolloutState.ABORTED


def test_a_failed_device_keeps_the_rollout_from_succeeding(world: World) -> None:
    world.fleet.add("camera-1", "camera-2")
    world.start(1)
    world.commit("camera-1", 1)
    world.check("camera-2")
    world.report("camera-2", 1, State.FAILED)
    world.survey()
    assert world.state(1) is RolloutState.RUNNING


def test_a_target_that_left_is_noticed_by_the_next_round(world: World) -> None:
    world.fleet.add("camera-1", "camera-2")
    world.start(1)
    world.commit("camera-1", 1)
    world.survey()
    del world.fleet.devices["camera-2"]
    world.clock.forward(timedelta(minutes=2))
    world.survey()
    assert world.state(1) is RolloutState.SUCCEEDED


def test_a_rollout_without_targets_does_not_succeed(world: World) -> None:
    world.start(1)
    world.survey()
    assert world.state(1) is RolloutState.RUNNING


def test_a_paused_rollout_succeeds_when_those_who_began_were_the_last(world: World) -> None:
    world.fleet.add("camera-1")
    world.start(1)
    world.check("camera-1")
    world.report("camera-1", 1, State.TRIAL)
    world.change(1, Verb.PAUSE)
    world.report("camera-1", 1, State.COMMITTED, running=1)
    world.survey()
    assert world.state(1) is RolloutState.SUCCEEDED


def test_a_late_joiner_is_brought_to_what_its_peers_run(world: World) -> None:
    world.fleet.add("camera-1")
    world.start(1)
    world.commit("camera-1", 1)
    world.survey()
    world.fleet.add("camera-2")
    assert world.offered("camera-2") == 1
    assert world.report("camera-2", 1, State.COMMITTED, running=1).state is State.COMMITTED
    assert world.state(1) is RolloutState.SUCCEEDED


def test_champions_follow_successes_in_their_order(world: World) -> None:
    world.fleet.add("camera-1")
    for number in (1, 2):
        world.start(number)
        world.commit("camera-1", number)
        world.survey()
    world.aliases.away = True
    with pytest.raises(UnavailableError):
        world.promoter.run()
    world.aliases.away = False
    world.promoter.run()
    world.promoter.run()
    assert world.aliases.promoted == [1, 2]


def test_changes_and_commitments_wake_the_announcer(world: World) -> None:
    world.fleet.add("camera-1")
    world.start(1)
    assert world.woken == 1
    world.check("camera-1")
    world.report("camera-1", 1, State.DOWNLOADING)
    assert world.woken == 1
    world.report("camera-1", 1, State.COMMITTED, running=1)
    assert world.woken == 2
    world.survey()
    assert world.woken == 3


# ---------------------------------------------------------------- waves

TENTH = Wave(name="tenth", percent=10, failure_share=0.1, minimum_device_count=2, soak=timedelta(hours=1))
REST = Wave(name="rest", failure_share=0.1, minimum_device_count=10)
STRATEGY = Strategy(waves=(TENTH, REST))


def fleet_of(world: World, count: int) -> tuple[list[str], list[str]]:
    """Adds devices; returns those of the first wave of rollout 1, and the others."""
    names = [f"camera-{number:03}" for number in range(count)]
    world.fleet.add(*names)
    plan = replace(ROLLOUT, strategy=STRATEGY)
    first = [name for name in names if wave_of(plan, world.fleet.devices[name]) == 0]
    return first, [name for name in names if name not in first]


def actions(world: World, number: int) -> list[RolloutAction]:
    return [one.action for _, one in world.operations.decisions(uuid(number), after=None, limit=99)]


def test_waves_open_one_after_the_other(world: World) -> None:
    first, others = fleet_of(world, 40)
    world.start(1, strategy=STRATEGY)
    world.survey()
    assert set(world.fleet.marks) == set(first)
    assert world.offered(others[0]) is None
    for name in first:
        world.commit(name, 1)
    world.survey()
    assert world.rollout(1).status.startswith(
        f"wave tenth: {len(first)} of {len(first)} devices run it; soaking"
    )
    assert world.offered(others[0]) is None
    world.clock.forward(timedelta(hours=1))
    world.survey()
    world.survey()
    assert world.rollout(1).wave_index == 1
    assert set(world.fleet.marks) == {*first, *others}
    assert world.offered(others[0]) == 1
    for name in others:
        world.commit(name, 1)
    world.survey()
    assert world.state(1) is RolloutState.SUCCEEDED
    assert actions(world, 1) == [
        RolloutAction.CREATE,
        RolloutAction.START,
        RolloutAction.SOAK,
        RolloutAction.ADVANCE,
        RolloutAction.SOAK,
        RolloutAction.SUCCEED,
    ]


def test_a_bad_version_is_stopped_in_its_first_wave(world: World) -> None:
    first, others = fleet_of(world, 60)
    world.start(1, strategy=STRATEGY)
    for name in first[:2]:
        world.check(name)
        world.report(name, 1, State.ROLLED_BACK)
    world.survey()
    assert world.state(1) is RolloutState.PAUSED
    ((_, stopped),) = [
        keyed for keyed in world.operations.decisions(uuid(1), after=None, limit=9) if keyed[1].progress
    ]
    assert (stopped.action, stopped.actor, stopped.wave_index) == (RolloutAction.PAUSE, "server", 0)
    assert stopped.reason == "wave tenth: 2 of 2 decided devices failed, 0.2 may"
    assert stopped.progress is not None
    assert (stopped.progress.failed_count, stopped.progress.device_count) == (2, len(first))
    assert world.offered(first[2]) is None
    assert all(world.offered(name) is None for name in others)


def test_an_operator_goes_on_in_spite_of_failures_and_the_next_one_stops_it_again(world: World) -> None:
    first, _ = fleet_of(world, 60)
    world.start(1, strategy=STRATEGY)
    world.check(first[0])
    world.report(first[0], 1, State.FAILED)
    world.survey()
    assert world.state(1) is RolloutState.PAUSED
    world.change(1, Verb.RESUME)
    world.survey()
    assert world.state(1) is RolloutState.RUNNING
    world.check(first[1])
    world.report(first[1], 1, State.FAILED)
    world.survey()
    assert world.state(1) is RolloutState.PAUSED


def test_devices_that_ran_a_bad_version_are_brought_back(world: World) -> None:
    first, others = fleet_of(world, 40)
    strategy = replace(STRATEGY, on_failure=FailureAction.ROLLBACK, rollback_version=3)
    world.start(1, version=2, strategy=strategy)
    kept, failing, waiting = first[0], first[1:3], others[0]
    world.commit(kept, 1, version=2)
    for name in failing:
        world.check(name)
        world.report(name, 1, State.ROLLED_BACK, running=1)
    world.survey()
    assert world.state(1) is RolloutState.ABORTED
    (rollback,) = [
        one for _, one in world.operations.rollouts(after=None, limit=9) if one.rollout_id != uuid(1)
    ]
    assert (rollback.state, rollback.model.version, rollback.operator) == (RolloutState.RUNNING, 3, "server")

    world.fleet.change(kept, running_bundle_sha256=world.digest(2))
    assert world.offered(kept, running=2) == 3
    assert world.offered(failing[0], running=1) is None
    assert world.offered(waiting) is None
    world.updates.report(
        DeploymentReport(
            rollout_id=rollback.rollout_id,
            device_id=kept,
            state=State.COMMITTED,
            running_bundle_sha256=world.digest(3),
        )
    )
    world.fleet.change(kept, running_bundle_sha256=world.digest(3))
    world.survey()
    assert world.operations.rollout(rollback.rollout_id).state is RolloutState.SUCCEEDED
    assert world.offered(kept, running=3) is None


def test_a_version_to_return_to_needs_a_higher_counter(world: World) -> None:
    strategy = replace(STRATEGY, on_failure=FailureAction.ROLLBACK, rollback_version=1)
    with pytest.raises(PreconditionError) as caught:
        world.operations.create(replace(world.plan(1, 2), strategy=strategy))
    assert caught.value.reason == "ROLLBACK_COUNTER"


def test_a_device_seen_running_another_bundle_holds_the_wave(world: World) -> None:
    first, _ = fleet_of(world, 40)
    world.start(1, strategy=STRATEGY)
    for name in first:
        world.commit(name, 1)
    world.survey()
    later = world.clock.now() + HEARTBEAT_GRACE + timedelta(minutes=1)
    world.fleet.change(first[0], running_bundle_sha256=world.digest(4), last_contact_time=later)
    world.clock.forward(timedelta(hours=2))
    world.survey()
    assert world.rollout(1).wave_index == 0
    assert actions(world, 1)[-1] is RolloutAction.REOPEN
    world.fleet.change(first[0], running_bundle_sha256=world.digest(1))
    world.clock.forward(timedelta(minutes=1))
    world.survey()
    assert actions(world, 1)[-1] is RolloutAction.SOAK


def test_offline_devices_are_left_out_where_the_policy_says_so(world: World) -> None:
    first, _ = fleet_of(world, 40)
    world.start(1, strategy=replace(STRATEGY, offline_policy=OfflinePolicy.SKIP))
    world.fleet.change(first[0], is_offline=True)
    for name in first[1:]:
        world.commit(name, 1)
    world.survey()
    assert actions(world, 1)[-1] is RolloutAction.SOAK
    assert world.offered(first[0]) == 1  # when it returns


def test_a_wave_waits_for_its_approval(world: World) -> None:
    first, others = fleet_of(world, 40)
    waves = (replace(TENTH, soak=timedelta(0)), replace(REST, approval_required=True))
    world.start(1, strategy=Strategy(waves=waves))
    for name in first:
        world.commit(name, 1)
    world.survey()
    assert (world.rollout(1).wave_index, world.rollout(1).status) == (0, "wave rest waits for approval")
    with pytest.raises(PreconditionError) as moved:
        world.operations.approve(uuid(1), 2, operator="bob")
    assert (moved.value.reason, moved.value.metadata) == ("WAVE_MOVED", {"wave_index": "1"})
    for _ in range(2):
        world.operations.approve(uuid(1), 1, operator="bob")
    world.survey()
    assert world.offered(others[0]) == 1
    assert actions(world, 1).count(RolloutAction.APPROVE) == 1


def test_nobody_approves_the_start_of_what_he_made(world: World) -> None:
    plan = replace(world.plan(1, 1), strategy=Strategy(approval_required=True))
    world.operations.create(plan)
    with pytest.raises(PreconditionError) as required:
        world.change(1, Verb.START)
    assert required.value.reason == "APPROVAL_REQUIRED"
    with pytest.raises(PreconditionError) as own:
        world.operations.approve(uuid(1), 0, operator=plan.operator)
    assert own.value.reason == "SELF_APPROVAL"
    world.operations.approve(uuid(1), 0, operator="bob")
    assert world.change(1, Verb.START).state is RolloutState.RUNNING
    world.change(1, Verb.ABORT)
    with pytest.raises(PreconditionError) as over:
        world.operations.approve(uuid(1), 1, operator="bob")
    assert over.value.reason == "ROLLOUT_STATE"


def test_only_what_failed_is_tried_again(world: World) -> None:
    world.fleet.add("camera-1", "camera-2")
    world.start(1, strategy=Strategy(waves=(replace(REST, failure_share=1.0),)))
    world.commit("camera-1", 1)
    world.check("camera-2")
    world.report("camera-2", 1, State.FAILED)
    world.survey()
    assert world.offered("camera-2") is None
    _, device_count = world.operations.retry(uuid(1), operator="ada")
    assert device_count == 1
    offer = world.check("camera-2").offer
    assert offer is not None
    assert offer.attempt == 1
    assert world.report("camera-2", 1, State.FAILED, attempt=0).state is State.OFFERED
    world.report("camera-2", 1, State.COMMITTED, running=1, attempt=1)
    world.survey()
    assert world.state(1) is RolloutState.SUCCEEDED
    with pytest.raises(PreconditionError):
        world.operations.retry(uuid(1), operator="ada")


# ---------------------------------------------------------------- when offers are made


def test_offers_keep_to_their_rate(world: World) -> None:
    world.fleet.add(*(f"camera-{number}" for number in range(5)))
    world.start(1, strategy=Strategy(offers_per_minute=2))
    assert [world.offered(f"camera-{number}") for number in range(5)] == [1, 1, None, None, None]
    wait = world.check("camera-4").retry_after
    assert wait is not None
    assert timedelta(seconds=60) <= wait < timedelta(seconds=75)
    assert world.offered("camera-0") == 1  # again, at no cost
    world.clock.forward(timedelta(seconds=61))
    assert [world.offered(f"camera-{number}") for number in (4, 3, 2)] == [1, 1, None]


def test_offers_keep_to_their_windows(world: World) -> None:
    world.fleet.add("camera-1")
    window = ScheduleWindow(weekdays=(), start_minute=0, duration_minutes=60, time_zone="UTC")
    world.start(1, strategy=Strategy(windows=(window,)))
    answer = world.check("camera-1")
    assert answer.offer is None
    assert answer.retry_after is not None
    world.clock.forward(answer.retry_after)
    assert (world.clock.now().hour, world.offered("camera-1")) == (0, 1)
    world.clock.forward(timedelta(hours=3))
    assert world.offered("camera-1") == 1  # what began goes on


def test_a_restart_in_the_middle_of_a_wave_changes_nothing(world: World, database: Database) -> None:
    first, others = fleet_of(world, 40)
    world.start(1, strategy=STRATEGY)
    for name in first:
        world.commit(name, 1)
    world.survey()
    before = world.rollout(1)
    again = World.over(database, world)
    again.conductor.run()
    assert again.rollout(1) == before
    again.clock.forward(timedelta(hours=1))
    again.survey()
    assert again.offered(others[0]) == 1
