"""What a device starts with is learned once; it is never changed, only replaced."""

import pytest

from tests.tinylcm.pipeline.world import World, learned_state
from tinylcm.pipeline.learned import LearnedState


@pytest.fixture(scope="session")
def learned() -> LearnedState:
    return learned_state()


@pytest.fixture
def world(learned: LearnedState) -> World:
    return World(learned)
