"""Drift detectors side by side on the same streams: ours, river's, the seed's monitor, and a dummy.

``python -m benchmarks.drift`` reports on two novel pairs; everything was tuned on the third. Each world has its own
reference, streams and seed; all detectors see the same observations. `--quick` takes one world and no pretrained
extractor. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence

from benchmarks.drift_cost import cost_figures
from benchmarks.drift_detectors import Ours, detectors
from benchmarks.drift_scores import Figures, Outcome, by_scenario, harmful_scenarios, watch
from benchmarks.fashion_images import FashionImages, available, load_images
from benchmarks.fashion_streams import (
    FITTED_COUNT,
    NOVEL_PAIRS,
    PRETRAINED,
    STORED_COUNT,
    TUNING_GROUP,
    fashion_world,
)
from benchmarks.motion_streams import Motions
from benchmarks.worlds import World

SEED_COUNT = 5
SLOW = "river_kswin_"
SLOW_LEAD_COUNT = 300
"""KSWIN takes a thousand times as long as the others; before a drift it sees only so many observations."""
QUICK_SCENARIOS = frozenset(
    {"novel100", "novel30", "noise1", "noise3", "blur3", "bright3", "contrast1", "rot20", "shift3", "occlude"}
)
QUICK_POOL_COUNT, QUICK_TEST_COUNT = 14_000, 5_000
REPORT_GROUPS = tuple(group for group in NOVEL_PAIRS if group != TUNING_GROUP)

Outcomes = dict[str, list[Outcome]]


def measure(world: World, outcomes: Outcomes, *, everyone: bool = False) -> None:
    """Shows every stream of a world to ours, or to all detectors, and adds what they did."""
    makers = detectors() if everyone else {"": Ours}
    start = time.perf_counter()
    for stream in world.streams:
        for prefix, make in makers.items():
            detector, lead = make(world.learned.calibration), SLOW_LEAD_COUNT if prefix == SLOW else None
            outcome = watch(detector, stream, group=world.group, seed=world.seed, lead_count=lead)
            outcomes[prefix].append(outcome)
    print(f"{world.group}, seed {world.seed}: {time.perf_counter() - start:.0f} s", flush=True)


def image_worlds(
    images: FashionImages,
    groups: Sequence[str],
    seeds: range,
    *,
    extractor: str | None = None,
    scenarios: frozenset[str] | None = None,
    fitted_count: int = FITTED_COUNT,
) -> Iterator[World]:
    """Worlds of the groups' novel pairs, with their own extractor or the one that is named."""
    for seed in seeds:
        for group in groups:
            yield fashion_world(
                images, extractor or group, group, seed, scenarios=scenarios, fitted_count=fitted_count
            )


def run(quick: bool, seed_count: int) -> Figures:
    """Measures everything and returns the figures."""
    figures = Figures()
    images = load_images(pool_count=QUICK_POOL_COUNT, test_count=QUICK_TEST_COUNT) if quick else load_images()
    outcomes: Outcomes = defaultdict(list)
    groups = REPORT_GROUPS[:1] if quick else REPORT_GROUPS
    scenarios = QUICK_SCENARIOS if quick else None
    for world in image_worlds(images, groups, range(seed_count), scenarios=scenarios):
        measure(world, outcomes, everyone=True)
    for world in _motion_worlds(seed_count):
        measure(world, outcomes, everyone=True)
    harmful = harmful_scenarios(outcomes[""])
    for prefix, ours in outcomes.items():
        figures.add_all(prefix, ours, harmful)
    faults = [one for one in outcomes[""] if one.kind == "fault" and (one.group, one.scenario) in harmful]
    figures.add("sensor_recall_harmful", faults, by_scenario("found"))
    figures.add("sensor_mean_delay", faults, by_scenario("delay"))
    print_scenarios(outcomes[""], harmful)
    if not quick:
        _add_more(figures, images, seed_count)
    figures.values |= cost_figures()
    return figures


def _motion_worlds(seed_count: int) -> Iterator[World]:
    motions = Motions()
    for seed in range(seed_count):
        yield motions.same_people(seed)


def _add_more(figures: Figures, images: FashionImages, seed_count: int) -> None:
    """What was tuned on, calibrated on what is stored alone, the pretrained extractor, and other ways with a sensor."""
    motions, seeds = Motions(), range(seed_count)
    parts: dict[str, Iterator[World]] = {
        "tuning_": image_worlds(images, (TUNING_GROUP,), seeds),
        "stored_only_": image_worlds(images, REPORT_GROUPS, seeds, fitted_count=STORED_COUNT),
        "new_people_": motions.new_people(0),
        "uncalibrated_": (motions.same_people(seed, recorded=False, with_faults=False) for seed in seeds),
    }
    if available(PRETRAINED):
        parts["pretrained_"] = image_worlds(images, REPORT_GROUPS, seeds, extractor=PRETRAINED)
    else:
        print(f"models/{PRETRAINED} is missing: make efficientnet", flush=True)
    for prefix, worlds in parts.items():
        outcomes: Outcomes = defaultdict(list)
        for world in worlds:
            measure(world, outcomes)
        harmful = harmful_scenarios(outcomes[""])
        figures.add_all(prefix, outcomes[""], harmful)
        print_scenarios(outcomes[""], harmful)


def print_scenarios(outcomes: Sequence[Outcome], harmful: set[tuple[str, str]]) -> None:
    """Prints recall, delay and loss of every drift, by group."""
    rows = defaultdict(list)
    for outcome in outcomes:
        if outcome.kind in ("drift", "fault"):
            rows[outcome.group, outcome.scenario].append(outcome)
    for (group, scenario), runs in rows.items():
        mark = " " if (group, scenario) in harmful else "harmless"
        figures = (by_scenario(field)(runs) for field in ("found", "delay", "prior_first", "accuracy_loss"))
        recall, delay, prior, loss = figures
        print(f"{group:34} {scenario:12} {recall:5.2f} {delay:6.0f} {prior:5.2f} {loss:6.2f} {mark}")


def main() -> None:
    """Parses the arguments, measures, and prints the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one world, a minute")
    parser.add_argument("--seeds", type=int, default=SEED_COUNT, help="worlds of each kind")
    options = parser.parse_args()
    figures = run(options.quick, 1 if options.quick else options.seeds)
    result = {
        "name": "benchmarks.drift",
        "quick": options.quick,
        "figures": figures.values,
        "spread": figures.spread,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
