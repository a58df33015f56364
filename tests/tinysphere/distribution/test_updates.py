"""What devices are offered, and what their reports change, over real stores."""

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from tests.tinysphere.distribution.builders import START, model_version, uuid
from tests.tinysphere.distribution.world import World
from tinysphere.distribution.devices import DeviceDirectory
from tinysphere.distribution.rules import Verb
from tinysphere.domain.rollouts import (
    DeploymentState,
    RolloutState,
)
from tinysphere.errors import (
    ConflictError,
    InvalidFieldError,
    NotFoundError,
    PreconditionError,
    UnavailableError,
)
from tinysphere.storage.sql.database import Database

State = DeploymentState


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


# ---------------------------------------------------------------- operators


def test_creating_a_rollout_again_returns_it(world: World) -> None:
    plan = world.plan(1, 2, site="north")
    made = world.operations.create(plan)
    assert made.state is RolloutState.DRAFT
    assert made.model == model_version(2).model
    assert made.size_bytes == 1002
    world.change(1, Verb.START)
    assert world.operations.create(plan).state is RolloutState.RUNNING


@pytest.mark.parametrize(
    "change", [{"version": 3}, {"operator": "bob"}, {"target_labels": {"site": "south"}}]
)
def test_an_id_with_other_content_is_a_conflict(world: World, change: dict[str, object]) -> None:
    plan = world.plan(1, 2, site="north")
    world.operations.create(plan)
    with pytest.raises(ConflictError) as caught:
        world.operations.create(replace(plan, **change))  # type: ignore[arg-type]
    assert caught.value.reason == "ROLLOUT_CONFLICT"


def test_a_rollout_of_an_unknown_version_is_refused(world: World) -> None:
    with pytest.raises(NotFoundError) as caught:
        world.operations.create(world.plan(1, 99))
    assert caught.value.reason == "MODEL_VERSION_NOT_FOUND"


def test_every_change_of_any_rollout_takes_the_next_revision(world: World) -> None:
    world.start(1)
    world.start(2)
    revisions = [
        world.change(number, verb).revision
        for number, verb in ((1, Verb.PAUSE), (1, Verb.PAUSE), (2, Verb.ABORT), (1, Verb.RESUME))
    ]
    assert revisions == [5, 5, 6, 7]


def test_verbs_on_unknown_rollouts_and_in_wrong_states_are_refused(world: World) -> None:
    with pytest.raises(NotFoundError) as missing:
        world.change(1, Verb.START)
    assert missing.value.reason == "ROLLOUT_NOT_FOUND"
    world.operations.create(world.plan(1, 1))
    with pytest.raises(PreconditionError) as wrong:
        world.change(1, Verb.PAUSE)
    assert wrong.value.reason == "ROLLOUT_STATE"
    assert world.rollout(1).revision == 1


# ---------------------------------------------------------------- offers


def test_an_unknown_device_registers_first(world: World) -> None:
    with pytest.raises(NotFoundError) as caught:
        world.check("camera-1")
    assert caught.value.reason == "DEVICE_NOT_FOUND"


def test_only_targets_of_running_rollouts_are_offered(world: World) -> None:
    world.fleet.add("camera-1", site="north")
    world.fleet.add("camera-2", site="south")
    world.operations.create(world.plan(1, 1, site="north"))
    assert world.offered("camera-1") is None
    world.change(1, Verb.START)
    assert world.offered("camera-1") == 1
    assert world.offered("camera-2") is None
    assert world.deployments(1) == {"camera-1": State.OFFERED}


def test_the_answer_names_rollout_size_and_revision(world: World) -> None:
    world.fleet.add("camera-1")
    world.start(1, version=2)
    answer = world.check("camera-1")
    assert answer.offer is not None
    assert (answer.offer.rollout_id, answer.offer.size_bytes) == (uuid(1), 1002)
    assert answer.offer.model == model_version(2).model
    assert answer.update_mark == world.rollout(1).revision == 2


def test_asking_again_changes_nothing(world: World) -> None:
    world.fleet.add("camera-1")
    world.start(1)
    world.check("camera-1")
    world.report("camera-1", 1, State.DOWNLOADING)
    world.clock.forward(timedelta(hours=1))
    answers = {world.check("camera-1").update_mark for _ in range(3)}
    assert answers == {2}
    (stored,) = world.operations.deployments(uuid(1), after=None, limit=9)
    assert (stored.state, stored.report_time) == (State.DOWNLOADING, START)


def test_a_device_that_runs_it_already_counts_at_once(world: World) -> None:
    world.fleet.add("camera-1")
    world.start(1)
    assert world.offered("camera-1", running=1) is None
    assert world.deployments(1) == {"camera-1": State.COMMITTED}


def test_a_newer_rollout_takes_the_device_over(world: World) -> None:
    world.fleet.add("camera-1", "camera-2")
    world.start(1)
    world.check("camera-1")
    world.report("camera-1", 1, State.DOWNLOADING)
    world.commit("camera-2", 1)
    world.start(2)
    assert world.offered("camera-1") == 2
    assert world.offered("camera-2", running=1) == 2
    assert world.deployments(1) == {"camera-1": State.CANCELLED, "camera-2": State.COMMITTED}
    assert world.deployments(2) == {"camera-1": State.OFFERED, "camera-2": State.OFFERED}


def test_the_rollout_started_last_is_the_newer_one(world: World) -> None:
    world.fleet.add("camera-1")
    world.operations.create(world.plan(1, 1))
    world.operations.create(world.plan(2, 2))
    world.change(2, Verb.START)
    world.change(1, Verb.START)
    assert world.offered("camera-1") == 1
    world.change(2, Verb.PAUSE)
    world.change(2, Verb.RESUME)
    assert world.offered("camera-1") == 1


def test_when_the_newer_rollout_is_aborted_the_older_one_goes_on(world: World) -> None:
    world.fleet.add("camera-1")
    world.start(1)
    world.check("camera-1")
    world.start(2)
    world.check("camera-1")
    world.change(2, Verb.ABORT)
    assert world.deployments(2) == {"camera-1": State.CANCELLED}
    assert world.offered("camera-1") == 1
    assert world.deployments(1) == {"camera-1": State.OFFERED}


def test_a_pause_holds_those_who_have_not_begun(world: World) -> None:
    world.fleet.add("camera-1", "camera-2", "camera-3")
    world.start(1)
    world.check("camera-1")
    world.check("camera-2")
    world.report("camera-1", 1, State.DOWNLOADING)
    world.change(1, Verb.PAUSE)
    assert [world.offered(f"camera-{number}") for number in (1, 2, 3)] == [1, None, None]
    world.change(1, Verb.RESUME)
    assert [world.offered(f"camera-{number}") for number in (1, 2, 3)] == [1, 1, 1]


@pytest.mark.parametrize("end", [State.ROLLED_BACK, State.FAILED, State.REJECTED])
def test_a_device_that_gave_up_is_not_offered_it_again(world: World, end: State) -> None:
    world.fleet.add("camera-1")
    world.start(1)
    world.check("camera-1")
    world.report("camera-1", 1, end)
    assert world.offered("camera-1") is None
    world.start(2)
    assert world.offered("camera-1") == 2


# ---------------------------------------------------------------- reports


def test_a_deployment_goes_its_way(world: World) -> None:
    world.fleet.add("camera-1")
    world.start(1)
    world.check("camera-1")
    for step in (State.DOWNLOADING, State.VERIFIED, State.STAGED, State.SHADOW, State.TRIAL):
        world.clock.forward(timedelta(seconds=10))
        assert world.report("camera-1", 1, step).state is step
    stored = world.report("camera-1", 1, State.COMMITTED, running=1)
    assert stored.report_time == START + timedelta(seconds=50)
    assert stored.running_bundle_sha256 == world.digest(1)
    assert world.rollout(1).deployment_counts == {State.COMMITTED: 1}


def test_late_and_repeated_reports_are_answered_with_what_is_stored(world: World) -> None:
    world.fleet.add("camera-1")
    world.start(1)
    world.commit("camera-1", 1)
    for late in (State.OFFERED, State.DOWNLOADING, State.TRIAL, State.FAILED, State.CANCELLED):
        assert world.report("camera-1", 1, late).state is State.COMMITTED
    assert world.report("camera-1", 1, State.ROLLED_BACK, running=2).state is State.ROLLED_BACK
    assert world.report("camera-1", 1, State.COMMITTED, running=1).state is State.ROLLED_BACK


def test_success_is_what_runs(world: World) -> None:
    world.fleet.add("camera-1")
    world.start(1)
    world.check("camera-1")
    for running in (None, 2):
        with pytest.raises(InvalidFieldError) as caught:
            world.report("camera-1", 1, State.COMMITTED, running=running)
        assert caught.value.field == "deployment.running_bundle_sha256"
    assert world.deployments(1) == {"camera-1": State.OFFERED}


def test_reports_of_strangers_are_refused(world: World) -> None:
    world.fleet.add("camera-1")
    with pytest.raises(NotFoundError):
        world.report("camera-1", 1, State.DOWNLOADING)
    world.start(1, site="north")
    with pytest.raises(PreconditionError) as caught:
        world.report("camera-1", 1, State.DOWNLOADING)
    assert caught.value.reason == "DEPLOYMENT_NOT_OFFERED"


def test_an_abort_cancels_all_but_the_committed(world: World) -> None:
    world.fleet.add("camera-1", "camera-2", "camera-3")
    world.start(1)
    world.commit("camera-1", 1)
    world.check("camera-2")
    world.report("camera-2", 1, State.TRIAL)
    world.check("camera-3")
    world.change(1, Verb.ABORT)
    assert world.deployments(1) == {
        "camera-1": State.COMMITTED,
        "camera-2": State.CANCELLED,
        "camera-3": State.CANCELLED,
    }
    assert world.report("camera-3", 1, State.DOWNLOADING).state is State.CANCELLED
    assert world.report("camera-2", 1, State.COMMITTED, running=1).state is State.COMMITTED
    assert world.offered("camera-3") is None


# ---------------------------------------------------------------- labels


def test_labels_are_asked_once_in_a_while(world: World) -> None:
    world.fleet.add("camera-1")
    world.start(1)
    for _ in range(5):
        world.check("camera-1")
    assert world.fleet.asked["device"] == 1
    world.clock.forward(timedelta(minutes=1))
    world.check("camera-1")
    assert world.fleet.asked["device"] == 2


def test_updates_reach_known_devices_while_the_registry_is_away(world: World) -> None:
    world.fleet.add("camera-1", "camera-2")
    world.check("camera-1")
    world.fleet.away = True
    world.clock.forward(timedelta(days=1))
    world.start(1)
    assert world.offered("camera-1") == 1
    with pytest.raises(UnavailableError):
        world.check("camera-2")


def test_a_device_told_of_work_is_matched_by_its_present_labels(world: World) -> None:
    world.fleet.add("camera-1", site="south")
    world.check("camera-1")
    world.fleet.add("camera-1", site="north")
    world.start(1, site="north")
    world.survey()
    assert world.offered("camera-1") == 1


def test_the_directory_is_bounded(world: World) -> None:
    directory = DeviceDirectory(world.fleet, clock=world.clock, capacity=2)
    world.fleet.add("camera-1", "camera-2", "camera-3")
    for number in (1, 2, 3, 3, 2, 1):
        directory.device(f"camera-{number}")
    assert world.fleet.asked["device"] == 4


def test_looking_for_updates_costs_the_same_after_many_rollouts(world: World) -> None:
    world.fleet.add("camera-1")
    executed: list[str] = []

    def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        executed.append(statement)

    def statements() -> int:
        world.check("camera-1", running=3)  # takes note of what changed
        executed.clear()
        world.check("camera-1", running=3)
        return len(executed)

    sa.event.listen(sa.Engine, "before_cursor_execute", count)
    try:
        world.start(1, version=3)
        few = statements()
        for number in range(2, 40):
            world.start(number, version=3)
        assert 0 < few == statements()
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", count)
