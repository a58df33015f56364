"""Which devices a rollout is for, and which rollouts can decide for a device."""

from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from tests.tinysphere.distribution.builders import START, deployment, digest, rollout
from tinysphere.distribution.devices import TargetDevice
from tinysphere.distribution.rules import STANDING, choose
from tinysphere.distribution.targets import Candidates, deciding, in_order, is_target, targets
from tinysphere.domain.rollout_plans import LabelCondition, LabelOperator, Strategy, Target, Wave
from tinysphere.domain.rollouts import DeploymentState, Rollout, RolloutState

PAUSED = RolloutState.PAUSED
DEVICE = TargetDevice(
    device_id="camera-1",
    labels={"site": "north", "line": "2"},
    last_contact_time=START,
    machine="aarch64",
    running_model_name="fashion",
    running_bundle_sha256=digest("fashion 1"),
)


def with_target(number: int, **target: Any) -> Rollout:
    return replace(rollout(number, start_revision=number), target=Target(**target))


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
                plain = choose(newest_first, deployments, "", wave_of=lambda _: 0)
                pruned = [one for one in deciding(known) if targets(one.target_labels, device)]
                assert choose(pruned, deployments, "", wave_of=lambda _: 0) == plain


@pytest.mark.parametrize(
    ("operator", "values", "fitting"),
    [
        (LabelOperator.IN, ("north", "south"), {"north"}),
        (LabelOperator.NOT_IN, ("south", "west"), {"north", None}),
        (LabelOperator.EXISTS, (), {"north", "west"}),
        (LabelOperator.MISSING, (), {None}),
    ],
)
def test_conditions_on_labels(
    operator: LabelOperator, values: tuple[str, ...], fitting: set[str | None]
) -> None:
    condition = LabelCondition(key="site", operator=operator, values=values)
    for site in ("north", "west", None):
        assert condition.holds({"site": site} if site else {}) is (site in fitting)


@pytest.mark.parametrize(
    ("asked", "fits"),
    [
        ({"machines": ("aarch64", "armv7l")}, True),
        ({"machines": ("x86_64",)}, False),
        ({"running_model_names": ("fashion",)}, True),
        ({"running_model_names": ("motion",)}, False),
        ({"device_ids": ("camera-1",)}, True),
        ({"device_ids": ("camera-2",)}, False),
        ({"running_bundle_sha256s": (digest("fashion 1"),)}, True),
        ({"running_bundle_sha256s": (digest("fashion 2"),)}, False),
        ({"machines": ("aarch64",), "device_ids": ("camera-2",)}, False),
    ],
)
def test_every_part_of_a_target_must_fit(asked: dict[str, Any], fits: bool) -> None:
    one = with_target(1, **asked)
    assert is_target(one, DEVICE) is fits
    assert [found.rollout_id for found in Candidates([one]).meant(DEVICE, ())] == ([one.rollout_id] * fits)


def test_who_was_offered_it_stays_in_it_whatever_it_runs_now() -> None:
    back = with_target(1, running_bundle_sha256s=(digest("fashion 2"),))
    assert Candidates([back]).meant(DEVICE, ()) == []
    assert Candidates([back]).meant(DEVICE, {back.rollout_id}) == [back]


def test_the_highest_priority_decides_first() -> None:
    urgent = replace(rollout(1, start_revision=1), strategy=Strategy(priority=5))
    newer = rollout(2, start_revision=2)
    assert in_order([newer, urgent]) == [urgent, newer]
    assert deciding([newer, urgent]) == (urgent,)


def test_what_asks_for_more_than_labels_or_has_closed_waves_hides_none() -> None:
    old = rollout(1, start_revision=1)
    some = with_target(2, machines=("aarch64",))
    waves = Strategy(waves=(Wave(name="few", percent=1), Wave(name="all")))
    first_wave = replace(rollout(3, start_revision=3), strategy=waves)
    assert deciding([old, some, first_wave]) == (first_wave, some, old)
    last_wave = replace(first_wave, wave_index=1)
    assert deciding([old, some, last_wave]) == (last_wave,)


def test_candidates_are_found_among_many() -> None:
    """The index finds exactly what asking every rollout finds, in the same order."""
    many = [with_target(number, device_ids=(f"camera-{number % 7}",)) for number in range(1, 40)]
    many += [
        rollout(
            number,
            start_revision=number,
            target_labels={"line": str(number % 5), "site": "north"},
            state=PAUSED,
        )
        for number in range(40, 80)
    ]
    many += [with_target(number, machines=("aarch64", str(number))) for number in range(80, 90)]
    plain = [one for one in deciding(many) if is_target(one, DEVICE)]
    assert Candidates(many).meant(DEVICE, ()) == plain
    assert len(plain) > 10
