"""What adapting is worth, and that it does no harm: the real pipeline on drifts with and without people's labels.

``python -m benchmarks.adaptation`` reports on two novel pairs; all bounds were tuned on the third. Every scenario is a
fresh device: undrifted images, then drifted ones; accuracy is measured on drifted images that it never saw, before
and after. Gains are averaged over scenarios; a corruption that costs less than `HARM_POINTS` counts for safety only.
`--quick` takes one world and one corruption, `--lean` a quarter of the CPU: ours alone, and monitors are not
calibrated anew after a change, which decides only whether a probation is judged before its end. After every world the
figures so far are printed; the last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks.adaptation_baselines import add_all, seed_heuristic
from benchmarks.adaptation_device import Device, hits, keep_calibrations
from benchmarks.adaptation_scores import HARM_POINTS, Figures, Run
from benchmarks.adaptation_streams import (
    CORRUPTED,
    QUICK_CORRUPTED,
    SKEWED,
    AdaptationWorld,
    Scenario,
)
from benchmarks.drift import QUICK_POOL_COUNT, QUICK_TEST_COUNT, REPORT_GROUPS
from benchmarks.fashion_images import load_images
from benchmarks.fashion_streams import TUNING_GROUP
from tinylcm.pipeline.learned import LearnedState
from tinylcm.records import AdaptationState, Mode

SEED_COUNT = 5
LABEL_COUNT = 60
HARMFUL = 0.01
"""A change that stands and costs more accuracy than this was a harmful commit."""
_BASELINES = {"seed_": seed_heuristic, "add_all_": add_all}


def label_free_runs(world: AdaptationWorld, scenario: Scenario, *, lean: bool) -> Iterator[Run]:
    """An autonomous device, and, unless ``lean``, what the baselines make of the same window."""
    device = Device(world.learned, Mode.AUTONOMOUS)
    device.see(scenario.before)
    device.see(scenario.drifted)
    clean = float(hits(world.learned, scenario.before).mean())
    learned = device.pipeline.learned

    def run(method: str, changed: LearnedState, labels: list[bool], at_commit: LearnedState | None) -> Run:
        before, after = hits(world.learned, scenario.held), hits(changed, scenario.held)
        passed = after if at_commit is None else hits(at_commit, scenario.held)
        return Run(
            method=method,
            world=f"{world.group}/{world.seed}",
            seed=world.seed,
            task="label_free",
            scenario=scenario.name,
            mix=scenario.mix,
            loss=clean - float(before.mean()),
            before=float(before.mean()),
            gain=float(after.mean() - before.mean()),
            gain_at_commit=float(passed.mean() - before.mean()),
            automatic_labels=tuple(labels),
            states=tuple(one.state for one in device.adaptations),
        )

    yield run("", learned, device.automatic_labels(), device.at_commit)
    window = [one for one in device.quarantine.samples() if one.drift_event_id]
    for prefix, baseline in () if lean else _BASELINES.items():
        made = baseline(world.learned, window, device)
        yield run(prefix, made.learned, made.right, None)


def labelled_runs(
    world: AdaptationWorld, scenario: Scenario, rng: np.random.Generator, *, lean: bool
) -> Iterator[Run]:
    """Sixty labels from people: what the device chose, evidence of alarms first, or random quarantined samples."""
    for method in ("",) if lean else ("", "random60_"):
        device = Device(world.learned, Mode.VALIDATED_LEARNING)
        device.see(scenario.before)
        device.see(scenario.drifted)
        chosen = [*device.evidence, *reversed(device.asked)][:LABEL_COUNT]
        if method:
            everything = device.quarantine.samples()
            kept = [one for one in everything if one.drift_event_id] or everything
            chosen = [kept[row] for row in rng.permutation(len(kept))[:LABEL_COUNT]]
        device.learn(chosen)
        novel = ~np.isin(scenario.held.truths, world.learned.class_names)
        before = hits(world.learned, scenario.held)
        after = hits(device.pipeline.learned, scenario.held)
        yield Run(
            method=method,
            world=f"{world.group}/{world.seed}",
            seed=world.seed,
            task="novel" if novel.any() else "labels60",
            scenario=scenario.name,
            mix=scenario.mix,
            loss=float(hits(world.learned, scenario.before).mean() - before.mean()),
            before=float(before[~novel].mean()),
            gain=float(after[~novel].mean() - before[~novel].mean()),
            novel_before=float(before[novel].mean()) if novel.any() else 0.0,
            novel_accuracy=float(after[novel].mean()) if novel.any() else 0.0,
            automatic_labels=tuple(device.automatic_labels(chosen)),
            states=tuple(one.state for one in device.adaptations),
        )


def worlds_of(
    groups: Sequence[str], seeds: range, corrupted: tuple[str, ...], *, quick: bool, lean: bool
) -> Iterator[list[Run]]:
    """Measures a world for every seed, the groups taking turns; yields all runs so far after each."""
    images = load_images(pool_count=QUICK_POOL_COUNT, test_count=QUICK_TEST_COUNT) if quick else load_images()
    runs: list[Run] = []
    for seed in seeds:
        start, group = time.perf_counter(), groups[seed % len(groups)]
        world, rng = AdaptationWorld(images, group, seed), np.random.default_rng(seed)
        for scenario in world.label_free(corrupted):
            runs += label_free_runs(world, scenario, lean=lean)
        for scenario in (*world.corruptions(corrupted), *world.novelties()):
            runs += labelled_runs(world, scenario, rng, lean=lean)
        print(f"{group}, seed {seed}: {time.perf_counter() - start:.0f} s", flush=True)
        yield runs


def figures_of(runs: Sequence[Run]) -> Figures:
    """The figures of ours and of the baselines."""
    figures = Figures()
    ours = [one for one in runs if not one.method]
    for prefix in ("", *_BASELINES):
        _add_label_free(figures, prefix, [one for one in runs if one.method == prefix])
    for prefix in ("", "random60_"):
        _add_labelled(figures, prefix, [one for one in runs if one.method == prefix])
    alone = [one for one in ours if one.task == "label_free"]
    standing = [one for one in alone if one.stands]
    figures.add("label_free_commit_share", alone, lambda part: np.mean([one.stands for one in part]))
    figures.add(
        "harmful_commits", alone, lambda part: sum(one.stands and one.gain < -HARMFUL for one in part)
    )
    figures.add(
        "harmful_commits_before_probation",
        alone,
        lambda part: sum(one.committed and one.gain_at_commit < -HARMFUL for one in part),
    )
    figures.add(
        "rolled_back", alone, lambda part: sum(AdaptationState.ROLLED_BACK in one.states for one in part)
    )
    figures.add("label_free_worst_run_points", standing, lambda part: min(100 * one.gain for one in part))
    for name, chosen in _families(alone).items():
        figures.add(f"none_{name}_accuracy", chosen, lambda part: np.mean([one.before for one in part]))
    return figures


def _families(alone: Sequence[Run]) -> dict[str, list[Run]]:
    """Runs of harmful corruptions whose classes stayed as they were."""
    harmful = [one for one in alone if one.is_corruption and 100 * one.loss > HARM_POINTS]
    return {
        "label_free_balanced": [one for one in harmful if one.mix == "balanced"],
        "label_free_skewed": [one for one in harmful if one.mix in SKEWED],
    }


def _add_label_free(figures: Figures, prefix: str, runs: Sequence[Run]) -> None:
    alone = [one for one in runs if one.task == "label_free"]
    figures.add(f"{prefix}label_free_worst_points", alone, lambda part: min(by_scenario(part).values()))
    for name, chosen in _families(alone).items():
        figures.add(f"{prefix}{name}_points", chosen, lambda part: np.mean([*by_scenario(part).values()]))
    figures.add_precision(f"{prefix}auto_label_precision", runs)


def _add_labelled(figures: Figures, prefix: str, runs: Sequence[Run]) -> None:
    mended = [one for one in runs if one.task == "labels60" and 100 * one.loss > HARM_POINTS]
    novel = [one for one in runs if one.task == "novel"]
    figures.add(f"{prefix}labels60_points", mended, lambda part: np.mean([*by_scenario(part).values()]))
    figures.add(
        f"{prefix}labels60_novel_accuracy", novel, lambda part: np.mean([one.novel_accuracy for one in part])
    )
    figures.add(f"{prefix}labels60_novel_worst", novel, lambda part: min(one.novel_accuracy for one in part))
    figures.add(
        f"{prefix}labels60_novel_known_points", novel, lambda part: np.mean([100 * one.gain for one in part])
    )
    if not prefix:
        figures.add(
            "none_labels60_novel_accuracy", novel, lambda part: np.mean([one.novel_before for one in part])
        )


def by_scenario(runs: Sequence[Run]) -> dict[str, float]:
    """Mean gain in points of every scenario."""
    gains: dict[str, list[float]] = {}
    for one in runs:
        gains.setdefault(one.scenario, []).append(100 * one.gain)
    return {name: float(np.mean(values)) for name, values in gains.items()}


def print_scenarios(runs: Sequence[Run]) -> None:
    """Prints, by scenario of ours, the accuracy before, the gain and its lowest, and what was decided."""
    names = dict.fromkeys((one.task, one.scenario) for one in runs if not one.method)
    for task, name in names:
        part = [one for one in runs if not one.method and (one.task, one.scenario) == (task, name)]
        gains = [100 * one.gain for one in part]
        stands, rolled = sum(one.stands for one in part), sum(one.rolled_back for one in part)
        figures = f"{np.mean([one.before for one in part]):.3f} {np.mean(gains):+6.1f} {min(gains):+6.1f}"
        print(f"{task:11} {name:32} {figures}  {stands}/{len(part)} stand, {rolled} taken back")


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses the arguments, measures, and prints the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one world, one corruption, a minute")
    parser.add_argument("--seeds", type=int, default=SEED_COUNT, help="worlds; the novel pairs take turns")
    parser.add_argument("--tuning", action="store_true", help="the pair that bounds were tuned on")
    parser.add_argument("--lean", action="store_true", help="ours alone, monitors not calibrated anew")
    options = parser.parse_args(arguments)
    if options.lean:
        keep_calibrations()
    groups = (TUNING_GROUP,) if options.tuning else REPORT_GROUPS
    seeds = range(1 if options.quick else options.seeds)
    corrupted = QUICK_CORRUPTED if options.quick else CORRUPTED
    for runs in worlds_of(groups, seeds, corrupted, quick=options.quick, lean=options.lean):
        print_scenarios(runs)
        figures = figures_of(runs)
        result = {
            "name": "benchmarks.adaptation",
            "quick": options.quick,
            "lean": options.lean,
            "figures": figures.values,
            "spread": figures.spread,
        }
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
