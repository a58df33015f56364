"""One suite for the stores of distribution, over SQLite and PostgreSQL."""

import threading
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.tinysphere.distribution.builders import START, deployment, digest, model_version, rollout, uuid
from tinysphere.domain.rollout_plans import (
    EVERYBODY,
    FailureAction,
    LabelCondition,
    LabelOperator,
    ScheduleWindow,
    Strategy,
    Target,
    Wave,
)
from tinysphere.domain.rollouts import (
    Deployment,
    DeploymentState,
    Rollout,
    RolloutAction,
    RolloutDecision,
    RolloutState,
    WaveProgress,
)
from tinysphere.errors import ConflictError, NotFoundError
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.models import SqlModelStore
from tinysphere.storage.sql.rollouts import SqlRolloutStore

OFFERED, STAGED, COMMITTED = DeploymentState.OFFERED, DeploymentState.STAGED, DeploymentState.COMMITTED
CANCELLED = DeploymentState.CANCELLED
LATER = START + timedelta(hours=1)


@pytest.fixture
def models(database: Database) -> SqlModelStore:
    return SqlModelStore(database)


@pytest.fixture
def rollouts(database: Database) -> SqlRolloutStore:
    return SqlRolloutStore(database)


def publish(models: SqlModelStore, version: int, model_name: str = "fashion") -> None:
    known = model_version(version, model_name)
    models.reserve(known)
    models.activate(model_name, known.model.bundle_sha256, version)


def add(rollouts: SqlRolloutStore, *numbers: int, **changes: object) -> list[Rollout]:
    with rollouts.transaction() as transaction:
        made = []
        for number in numbers:
            revision = transaction.next_revision()
            made.append(replace(rollout(number), revision=revision, **changes))  # type: ignore[arg-type]
            transaction.add_rollout(made[-1])
    return made


def put(rollouts: SqlRolloutStore, *deployments: Deployment) -> None:
    with rollouts.transaction() as transaction:
        for one in deployments:
            transaction.put_deployment(one)


# ---------------------------------------------------------------- model versions


def test_a_version_returns_as_it_was_reserved(models: SqlModelStore) -> None:
    known = model_version(1)
    models.reserve(known)
    assert models.activate("fashion", known.model.bundle_sha256, 1) == known
    assert models.find_bundle("fashion", known.model.bundle_sha256) == known
    assert models.find_version("fashion", 1) == known


def test_a_reserved_version_is_found_by_nobody(models: SqlModelStore) -> None:
    models.reserve(model_version(1))
    assert models.find_bundle("fashion", digest("fashion 1")) is None
    assert models.find_version("fashion", None) is None
    assert models.list_versions("fashion", after=None, limit=9) == []
    assert models.latest_versions(after=None, limit=9) == []


def test_reserving_and_activating_again_changes_nothing(models: SqlModelStore) -> None:
    publish(models, 1)
    models.reserve(replace(model_version(1), size_bytes=5))
    assert models.activate("fashion", digest("fashion 1"), 9) == model_version(1)


def test_two_bundles_cannot_have_one_number(models: SqlModelStore) -> None:
    publish(models, 1)
    models.reserve(model_version(2))
    with pytest.raises(ConflictError) as caught:
        models.activate("fashion", digest("fashion 2"), 1)
    assert caught.value.reason == "MODEL_VERSION_CONFLICT"
    assert models.find_version("fashion", 1) == model_version(1)


def test_versions_are_listed_newest_first_from_a_key(models: SqlModelStore) -> None:
    for version in (1, 3, 2):
        publish(models, version)
    publish(models, 7, "gestures")
    listed = models.list_versions("fashion", after=None, limit=2)
    assert [one.model.version for one in listed] == [3, 2]
    assert [one.model.version for one in models.list_versions("fashion", after=2, limit=2)] == [1]
    assert models.find_version("fashion", None) == model_version(3)


def test_models_are_listed_by_name_with_their_newest_version(models: SqlModelStore) -> None:
    for name in ("b-2", "b_2", "a", "b"):
        publish(models, 1, name)
    publish(models, 2, "b")
    listed = models.latest_versions(after=None, limit=9)
    assert [(one.model.model_name, one.model.version) for one in listed] == [
        ("a", 1),
        ("b", 2),
        ("b-2", 1),
        ("b_2", 1),
    ]
    assert [one.model.model_name for one in models.latest_versions(after="b", limit=1)] == ["b-2"]


# ---------------------------------------------------------------- rollouts


def test_a_rollout_returns_as_it_was_added(rollouts: SqlRolloutStore) -> None:
    (made,) = add(rollouts, 1, target_labels={"site": "north"}, state=RolloutState.DRAFT)
    assert rollouts.find_rollout(made.rollout_id) == made
    assert rollouts.find_rollout(uuid(9)) is None


def test_an_id_is_taken_once(rollouts: SqlRolloutStore) -> None:
    add(rollouts, 1)
    with pytest.raises(ConflictError) as caught:
        add(rollouts, 1)
    assert caught.value.reason == "ROLLOUT_CONFLICT"
    assert rollouts.revision() == 1


def test_revisions_count_every_change_once(rollouts: SqlRolloutStore) -> None:
    assert rollouts.revision() == 0

    def count(_: int) -> int:
        with rollouts.transaction() as transaction:
            return transaction.next_revision()

    with ThreadPoolExecutor(4) as pool:
        counted = sorted(pool.map(count, range(20)))
    assert counted == list(range(1, 21))
    assert rollouts.revision() == 20


def test_a_change_that_fails_is_taken_back(rollouts: SqlRolloutStore) -> None:
    (made,) = add(rollouts, 1)
    with pytest.raises(RuntimeError), rollouts.transaction() as transaction:
        transaction.set_state(replace(made, state=RolloutState.ABORTED, revision=transaction.next_revision()))
        raise RuntimeError
    assert rollouts.find_rollout(made.rollout_id) == made
    assert rollouts.revision() == 1


def test_a_state_is_stored_with_its_revisions(rollouts: SqlRolloutStore) -> None:
    (made,) = add(rollouts, 1, state=RolloutState.DRAFT)
    changed = replace(made, state=RolloutState.RUNNING, revision=2, start_revision=2)
    with rollouts.transaction() as transaction:
        assert transaction.lock_rollout(made.rollout_id) == made
        transaction.set_state(changed)
        assert transaction.hold_rollout(made.rollout_id) == changed
    assert rollouts.rollouts_in([RolloutState.RUNNING]) == [changed]
    assert rollouts.rollouts_in([RolloutState.DRAFT, RolloutState.PAUSED]) == []


def test_locking_an_unknown_rollout_says_so(rollouts: SqlRolloutStore) -> None:
    with rollouts.transaction() as transaction:
        for lock in (transaction.lock_rollout, transaction.hold_rollout):
            with pytest.raises(NotFoundError) as caught:
                lock(uuid(9))
            assert caught.value.reason == "ROLLOUT_NOT_FOUND"


def test_a_locked_rollout_waits_for_its_holder(rollouts: SqlRolloutStore) -> None:
    (made,) = add(rollouts, 1)
    order: list[str] = []
    locked = threading.Event()

    def abort() -> None:
        locked.wait(10)
        with rollouts.transaction() as transaction:
            transaction.lock_rollout(made.rollout_id)
            order.append("abort")

    thread = threading.Thread(target=abort)
    thread.start()
    with rollouts.transaction() as transaction:
        transaction.hold_rollout(made.rollout_id)
        locked.set()
        thread.join(0.2)
        transaction.put_deployment(deployment(made, OFFERED))
        order.append("offer")
    thread.join(10)
    assert order == ["offer", "abort"]


def test_rollouts_are_listed_newest_first_with_counts(rollouts: SqlRolloutStore) -> None:
    first, second, third = add(rollouts, 1, 2, 3)
    put(
        rollouts,
        deployment(second, COMMITTED, "camera-1"),
        deployment(second, COMMITTED, "camera-2"),
        deployment(second, OFFERED, "camera-3"),
    )
    listed = rollouts.list_rollouts(after=None, limit=2)
    counted = replace(second, deployment_counts={COMMITTED: 2, OFFERED: 1})
    assert [one for _, one in listed] == [third, counted]
    assert [one for _, one in rollouts.list_rollouts(after=listed[-1][0], limit=2)] == [first]
    assert rollouts.find_rollout(second.rollout_id) == counted


# ---------------------------------------------------------------- deployments


def test_a_deployment_is_replaced(rollouts: SqlRolloutStore) -> None:
    (made,) = add(rollouts, 1)
    put(rollouts, deployment(made, OFFERED))
    newer = replace(
        deployment(made, COMMITTED),
        reason="all is well",
        running_bundle_sha256=digest("x"),
        report_time=LATER,
    )
    put(rollouts, newer)
    with rollouts.transaction() as transaction:
        assert transaction.lock_deployment(made.rollout_id, "camera-1") == newer
        assert transaction.lock_deployment(made.rollout_id, "camera-2") is None


def test_deployments_are_listed_by_device_from_a_key(rollouts: SqlRolloutStore) -> None:
    (made, other) = add(rollouts, 1, 2)
    names = ["camera-10", "camera-2", "camera.1", "camera_1"]
    put(rollouts, *(deployment(made, OFFERED, name) for name in reversed(names)))
    put(rollouts, deployment(other, OFFERED, "camera-9"))
    listed = rollouts.list_deployments(made.rollout_id, after=None, limit=3)
    assert [one.device_id for one in listed] == ["camera-10", "camera-2", "camera.1"]
    rest = rollouts.list_deployments(made.rollout_id, after="camera.1", limit=3)
    assert [one.device_id for one in rest] == ["camera_1"]


def test_deployments_of_one_device(rollouts: SqlRolloutStore) -> None:
    first, third = add(rollouts, 1, 3)
    (aborted,) = add(rollouts, 2, state=RolloutState.ABORTED)
    put(rollouts, *(deployment(one, OFFERED) for one in (first, aborted, third)))
    put(rollouts, deployment(first, STAGED, "camera-2"))
    found = rollouts.deployments_of("camera-1")
    assert found == {one.rollout_id: deployment(one, OFFERED) for one in (first, third)}
    assert rollouts.deployments_of("camera-3") == {}
    listed = rollouts.deployments_in(first.rollout_id, ["camera-1", "camera-2", "camera-3"])
    assert {key: one.state for key, one in listed.items()} == {"camera-1": OFFERED, "camera-2": STAGED}
    assert rollouts.deployments_in(first.rollout_id, []) == {}


def test_an_abort_cancels_what_is_unfinished(rollouts: SqlRolloutStore) -> None:
    first, second = add(rollouts, 1, 2)
    put(rollouts, deployment(first, OFFERED, "camera-1"), deployment(first, COMMITTED, "camera-2"))
    put(rollouts, deployment(second, OFFERED, "camera-1"))
    with rollouts.transaction() as transaction:
        transaction.cancel_rollout(first.rollout_id, [OFFERED, STAGED], reason="stop", now=LATER)
    listed = rollouts.list_deployments(first.rollout_id, after=None, limit=9)
    assert [(one.state, one.reason, one.report_time) for one in listed] == [
        (CANCELLED, "stop", LATER),
        (COMMITTED, "", START),
    ]
    assert rollouts.deployments_of("camera-1")[second.rollout_id].state is OFFERED


def test_a_device_taken_over_leaves_the_other_rollouts(rollouts: SqlRolloutStore) -> None:
    first, second, third = add(rollouts, 1, 2, 3)
    put(rollouts, deployment(first, STAGED), deployment(second, COMMITTED), deployment(third, OFFERED))
    put(rollouts, deployment(first, STAGED, "camera-2"))
    with rollouts.transaction() as transaction:
        transaction.cancel_device(
            "camera-1", [OFFERED, STAGED], kept_rollout_id=third.rollout_id, reason="newer", now=LATER
        )
    found = rollouts.deployments_of("camera-1")
    assert [found[one.rollout_id].state for one in (first, second, third)] == [CANCELLED, COMMITTED, OFFERED]
    assert rollouts.deployments_of("camera-2")[first.rollout_id].state is STAGED


# ---------------------------------------------------------------- artifacts


def test_an_artifact_is_a_registered_bundle(models: SqlModelStore, rollouts: SqlRolloutStore) -> None:
    models.reserve(model_version(1))
    assert rollouts.artifact_size(digest("fashion 1")) is None
    publish(models, 1)
    assert rollouts.artifact_size(digest("fashion 1")) == 1001
    assert rollouts.artifact_size(digest("unknown")) is None


@pytest.mark.parametrize("state", RolloutState)
def test_an_artifact_is_withdrawn_by_an_abort_unless_another_rollout_stands(
    models: SqlModelStore, rollouts: SqlRolloutStore, state: RolloutState
) -> None:
    publish(models, 1)
    reference = model_version(1).model
    add(rollouts, 1, model=reference, state=RolloutState.ABORTED)
    assert rollouts.artifact_size(reference.bundle_sha256) is None
    add(rollouts, 2, model=reference, state=state)
    stands = state in (RolloutState.RUNNING, RolloutState.PAUSED, RolloutState.SUCCEEDED)
    assert (rollouts.artifact_size(reference.bundle_sha256) == 1001) is stands


# ---------------------------------------------------------------- surveys and promotions


def due(rollouts: SqlRolloutStore, minutes: float = 0, touched: Collection[str] = ()) -> list[str]:
    found = rollouts.due_surveys(now=START + timedelta(minutes=minutes), touched=touched)
    return [one.rollout_id for one in found]


def survey(rollouts: SqlRolloutStore, rollout: Rollout) -> None:
    with rollouts.transaction() as transaction:
        transaction.set_survey(rollout, target_count=2, next_survey_time=START + timedelta(minutes=1))


@pytest.mark.parametrize("state", RolloutState)
def test_a_changed_rollout_wants_a_survey(rollouts: SqlRolloutStore, state: RolloutState) -> None:
    (made,) = add(rollouts, 1, state=state)
    wanted = state in (RolloutState.RUNNING, RolloutState.PAUSED, RolloutState.ABORTED)
    assert due(rollouts) == ([made.rollout_id] if wanted else [])
    survey(rollouts, made)
    assert due(rollouts) == []


def test_a_change_during_a_survey_wants_another(rollouts: SqlRolloutStore) -> None:
    (made,) = add(rollouts, 1)
    with rollouts.transaction() as transaction:
        transaction.set_state(replace(made, revision=transaction.next_revision()))
    survey(rollouts, made)
    assert due(rollouts) == [made.rollout_id]


def test_an_old_survey_is_repeated_while_the_rollout_goes_on(rollouts: SqlRolloutStore) -> None:
    running, paused, aborted = (
        add(rollouts, number, state=state)[0]
        for number, state in enumerate((RolloutState.RUNNING, RolloutState.PAUSED, RolloutState.ABORTED), 1)
    )
    for one in (running, paused, aborted):
        survey(rollouts, one)
    assert due(rollouts, minutes=1) == [running.rollout_id, paused.rollout_id]


def test_a_touched_rollout_wants_a_survey_unless_it_is_over(rollouts: SqlRolloutStore) -> None:
    (made,) = add(rollouts, 1)
    (over,) = add(rollouts, 2, state=RolloutState.SUCCEEDED)
    survey(rollouts, made)
    assert due(rollouts) == []
    assert due(rollouts, touched=[made.rollout_id, over.rollout_id]) == [made.rollout_id]


def test_plans_and_standing_come_back_as_they_were(rollouts: SqlRolloutStore) -> None:
    condition = LabelCondition(key="site", operator=LabelOperator.IN, values=("lab", "north"))
    wave = Wave(name="few", percent=2.5, label_conditions=(condition,), soak=timedelta(minutes=90))
    window = ScheduleWindow(weekdays=(1, 7), start_minute=90, duration_minutes=60, time_zone="Europe/Berlin")
    strategy = Strategy(
        waves=(wave, EVERYBODY),
        on_failure=FailureAction.ROLLBACK,
        windows=(window,),
        jitter=timedelta(seconds=0.5),
        rollback_version=3,
    )
    target = Target(label_conditions=(condition,), machines=("aarch64",))
    (made,) = add(rollouts, 1, target=target, strategy=strategy)
    progress = (WaveProgress(device_count=3, open_time=START), WaveProgress(success_time=LATER))
    moved = replace(made, wave_index=1, approved_wave_index=1, progress=progress, status="soaking")
    with rollouts.transaction() as transaction:
        transaction.set_state(moved)
    assert rollouts.find_rollout(made.rollout_id) == moved


def test_decisions_are_kept_in_their_order(rollouts: SqlRolloutStore) -> None:
    (made,) = add(rollouts, 1)
    decisions = [
        RolloutDecision(
            rollout_id=made.rollout_id,
            decide_time=START,
            actor="ada",
            action=action,
            reason="because",
            wave_index=2,
            progress=progress,
        )
        for action, progress in (
            (RolloutAction.START, None),
            (RolloutAction.PAUSE, WaveProgress(failed_count=2, open_time=START)),
        )
    ]
    with rollouts.transaction() as transaction:
        for decision in decisions:
            transaction.add_decision(decision)
    listed = rollouts.list_decisions(made.rollout_id, after=None, limit=9)
    assert [decision for _, decision in listed] == decisions
    assert rollouts.list_decisions(made.rollout_id, after=listed[0][0], limit=9) == listed[1:]
    assert rollouts.list_decisions(uuid(9), after=None, limit=9) == []


def test_promotions_are_due_in_the_order_of_the_successes(rollouts: SqlRolloutStore) -> None:
    made = add(rollouts, 1, 2, 3)
    with rollouts.transaction() as transaction:
        for one in (made[1], made[0]):
            revision = transaction.next_revision()
            transaction.set_state(replace(one, state=RolloutState.SUCCEEDED, revision=revision))
    assert [one.rollout_id for one in rollouts.due_promotions()] == [uuid(2), uuid(1)]
    rollouts.set_promoted(uuid(2))
    assert [one.rollout_id for one in rollouts.due_promotions()] == [uuid(1)]
