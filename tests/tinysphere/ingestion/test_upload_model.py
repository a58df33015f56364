"""Random steps of uploads against a pure model; the long run is `python -m tests.reliability.transfer_states`."""

from __future__ import annotations

from pathlib import Path

from tests.reliability.transfer_states import check
from tests.reliability.transfer_world import open_world

RUNS, STEPS = 5, 25


def test_uploads_do_as_the_model_says(tmp_path: Path) -> None:
    with open_world(tmp_path, seed=1) as world:
        check(world, runs=RUNS, steps=STEPS, seed=1)
        assert world.counts["runs"] >= RUNS
        assert world.counts["steps"] > RUNS * STEPS // 2
