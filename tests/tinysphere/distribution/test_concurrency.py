"""Devices ask and report while operators change their minds: what must hold whatever the order is."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from tests.tinysphere.distribution.builders import digest, model_version, uuid
from tests.tinysphere.distribution.world import VERSION_COUNT, World
from tinysphere.distribution.rules import UNFINISHED, Verb
from tinysphere.domain.rollouts import DeploymentState, RolloutState
from tinysphere.errors import ConflictError, PreconditionError, UnavailableError
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.models import SqlModelStore

DEVICE_IDS = [f"camera-{number}" for number in range(1, 7)]
NUMBERS = range(1, VERSION_COUNT + 1)
STEP_COUNT = 60


@pytest.fixture
def world(database: Database) -> World:
    world = World(database)
    world.fleet.add(*DEVICE_IDS)
    return world


def operate(world: World, rng: random.Random) -> None:
    verbs = [Verb.START, Verb.PAUSE, Verb.RESUME] * 8 + [Verb.ABORT]
    world.change(rng.choice(NUMBERS), rng.choice(verbs))


def ask_and_report(world: World, rng: random.Random) -> None:
    device_id = rng.choice(DEVICE_IDS)
    offer = world.check(device_id).offer
    if offer is None:
        return
    state = rng.choice([DeploymentState.DOWNLOADING, DeploymentState.TRIAL, DeploymentState.COMMITTED])
    world.report(device_id, offer.model.version, state, running=offer.model.version)


def survey(world: World, _: random.Random) -> None:
    world.survey()


def repeatedly(world: World, action: Callable[[World, random.Random], object], seed: int) -> int:
    """Does it again and again; refusals by the state of things are part of life."""
    rng = random.Random(seed)
    done = 0
    for _ in range(STEP_COUNT):
        try:
            action(world, rng)
            done += 1
        except (PreconditionError, UnavailableError):
            pass
    return done


def test_no_order_of_events_leaves_a_contradiction(world: World) -> None:
    for number in NUMBERS:
        world.operations.create(world.plan(number, number))
    with ThreadPoolExecutor(6) as pool:
        actions = [operate, operate, ask_and_report, ask_and_report, ask_and_report, survey]
        done = list(pool.map(partial(repeatedly, world), actions, range(len(actions))))
    assert all(done)
    revisions = set()
    deployment_count = 0
    for _, rollout in world.operations.rollouts(after=None, limit=99):
        revisions.add(rollout.revision)
        for deployment in world.operations.deployments(rollout.rollout_id, after=None, limit=99):
            deployment_count += 1
            assert rollout.state is not RolloutState.DRAFT
            assert rollout.state is not RolloutState.ABORTED or deployment.state not in UNFINISHED
    assert deployment_count
    assert len(revisions) == VERSION_COUNT
    assert max(revisions) <= world.store.revision()


def test_an_abort_during_offers_leaves_none_behind(world: World) -> None:
    for number in NUMBERS:
        world.start(number)
        with ThreadPoolExecutor(len(DEVICE_IDS) + 1) as pool:
            asking = [pool.submit(world.check, device_id) for device_id in DEVICE_IDS]
            pool.submit(world.change, number, Verb.ABORT).result()
            for asked in asking:
                asked.result()
        left = world.operations.deployments(uuid(number), after=None, limit=99)
        assert {deployment.state for deployment in left} <= {DeploymentState.CANCELLED}


def test_the_same_rollout_made_at_once_is_made_once(world: World) -> None:
    with ThreadPoolExecutor(6) as pool:
        for made in [pool.submit(world.operations.create, world.plan(1, 1)) for _ in range(6)]:
            made.result()
    assert len(world.operations.rollouts(after=None, limit=99)) == 1


def test_a_bundle_reserved_at_once_is_one_version(database: Database) -> None:
    store = SqlModelStore(database)
    known = model_version(1)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(store.reserve, [known] * 6))
        versions = list(
            pool.map(lambda number: store.activate("fashion", known.model.bundle_sha256, number), range(1, 7))
        )
    assert len({version.model.version for version in versions}) == 1
    assert len(store.list_versions("fashion", after=None, limit=9)) == 1


def test_one_number_goes_to_one_bundle(database: Database) -> None:
    store = SqlModelStore(database)
    for number in (1, 2):
        store.reserve(model_version(number))

    def activate(number: int) -> bool:
        try:
            store.activate("fashion", digest(f"fashion {number}"), 7)
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(activate, (1, 2))) == [False, True]
