"""Groups of look-alikes: how fast, how pure, and how many verdicts they save.

``python -m benchmarks.groups`` builds fleets of devices whose drifts differ, groups what they send as the server does,
and compares with the true classes, beside scikit-learn's Birch and MiniBatchKMeans over the same samples in the same
order. Then reviewers judge the evidence one by one, and group by group, and the devices learn from it. All but the
threshold was tuned on another extractor (`fashion_cnn`). `--quick` takes one fleet. The last line is one JSON object;
figures over seeds carry their lowest and highest value.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import Birch, MiniBatchKMeans
from sklearn.metrics import adjusted_rand_score

from benchmarks.adaptation_device import keep_calibrations
from benchmarks.drift import REPORT_GROUPS
from benchmarks.fashion_images import available, load_images
from benchmarks.fashion_streams import PRETRAINED, TUNING_GROUP
from benchmarks.group_fleet import Evidence, FleetWorld
from benchmarks.group_labels import by_group, measure, one_by_one, reachable
from tinysphere.domain.sample_groups import GroupSpace
from tinysphere.drift.grouping.features import embedding_matrix
from tinysphere.drift.grouping.grouper import BATCH_SIZE, Grouper, group_id_of
from tinysphere.drift.grouping.lookalikes import Lookalikes
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.drift import SqlDriftStore
from tinysphere.storage.sql.sample_groups import SqlSampleGroupStore

SEED_COUNT = 10
PRETRAINED_SEED_COUNT = 3
REACHED_SHARE = 0.95
BIRCH_THRESHOLD = 0.6

Made = TypeVar("Made")
Rows = NDArray[np.intp]
Figures = dict[str, list[float]]


def ours(evidence: Evidence) -> tuple[Rows, NDArray[np.float64]]:
    """Groups as the server would, in memory; returns group and similarity of each sample."""
    width = evidence.samples[0].embedding.dimension_count
    space = GroupSpace(feature_space="", sample_count=0, embedding_sum=bytes(8 * width), labels=())
    lookalikes = Lookalikes(space, [], group_id_of=group_id_of)
    joinings = [
        joining
        for start in range(0, len(evidence.samples), BATCH_SIZE)
        for joining in lookalikes.place(evidence.samples[start : start + BATCH_SIZE]).step.joinings
    ]
    groups = np.unique([joining.group_id for joining in joinings], return_inverse=True)[1]
    return groups.astype(np.intp), np.array([joining.similarity for joining in joinings])


def birch(evidence: Evidence, _count: int) -> Rows:
    """scikit-learn's Birch over the directions from the mean, batch by batch."""
    vectors = embedding_matrix(evidence.samples)
    vectors = vectors - vectors.mean(axis=0)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    model = Birch(threshold=BIRCH_THRESHOLD, n_clusters=None)
    for start in range(0, len(vectors), BATCH_SIZE):
        model.partial_fit(vectors[start : start + BATCH_SIZE])
    return np.asarray(model.predict(vectors), dtype=np.intp)


def mini_batch_k_means(evidence: Evidence, count: int) -> Rows:
    """scikit-learn's MiniBatchKMeans over standardised vectors, batch by batch, told how many groups ours are."""
    vectors = embedding_matrix(evidence.samples)
    vectors = (vectors - vectors.mean(axis=0)) / (vectors.std(axis=0) + 1e-6)
    model = MiniBatchKMeans(n_clusters=min(count, BATCH_SIZE), random_state=0, n_init=1)
    for start in range(0, len(vectors), BATCH_SIZE):
        model.partial_fit(vectors[start : start + BATCH_SIZE])
    return np.asarray(model.predict(vectors), dtype=np.intp)


def add_clustering(figures: Figures, prefix: str, evidence: Evidence) -> tuple[Rows, NDArray[np.float64]]:
    """Measures ours and the peers; returns what ours found."""
    (groups, similarities), seconds = timed(lambda: ours(evidence))
    _add_quality(figures, prefix, groups, evidence)
    _add(figures, f"{prefix}samples_per_s", len(groups) / seconds)
    count = len(np.unique(groups))
    for name, peer in (("birch", birch), ("mini_batch_k_means", mini_batch_k_means)):
        found, peer_seconds = timed(partial(peer, evidence, count))
        _add_quality(figures, f"{prefix}{name}_", found, evidence)
        _add(figures, f"{prefix}{name}_speed_ratio", peer_seconds / seconds)
    return groups, similarities


def _add_quality(figures: Figures, prefix: str, groups: Rows, evidence: Evidence) -> None:
    parts = [
        np.unique(evidence.truths[groups == group], return_counts=True)[1] for group in np.unique(groups)
    ]
    _add(figures, f"{prefix}adjusted_rand_index", adjusted_rand_score(evidence.truths, groups))
    _add(figures, f"{prefix}purity", sum(part.max() for part in parts) / len(groups))
    _add(figures, f"{prefix}group_count", len(parts))
    _add(figures, f"{prefix}sample_count", len(groups))


def add_stored(figures: Figures, evidence: Evidence) -> None:
    """Measures the whole step of the server: read from SQLite, group, choose representatives, store."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'groups.db'}")
        database.migrate()
        space = evidence.samples[0].embedding
        with SqlDriftStore(database).transaction() as transaction:
            transaction.fix_dimensions({space.feature_space: space.dimension_count})
            transaction.add_samples(evidence.samples)
        grouper = Grouper(SqlSampleGroupStore(database), _Now(), grouped=lambda: None)
        seconds = timed(lambda: [None for _ in iter(grouper.group_next, False)])[1]
        database.dispose()
    _add(figures, "stored_samples_per_s", len(evidence.samples) / seconds)


class _Now:
    def now(self) -> datetime:
        return datetime.now(UTC)


def add_labels(figures: Figures, world: FleetWorld, seed: int) -> None:
    """Measures how many verdicts win back what can be won back, one by one and by groups."""
    evidence = world.evidence(world.devices(), seed)
    groups, similarities = add_clustering(figures, "", evidence)
    add_stored(figures, evidence)
    devices = world.measured()
    best = reachable(world, devices, evidence)
    target = REACHED_SHARE * best
    single = measure(world, devices, evidence, one_by_one(evidence, seed), enough=target)
    grouped = measure(world, devices, evidence, by_group(evidence, groups, similarities), enough=target)
    for name, curve in (("one by one", single), ("by group", grouped)):
        pairs = zip(curve.verdict_counts, curve.accuracies, strict=True)
        print(f"{name}:", " ".join(f"{count}:{accuracy:.3f}" for count, accuracy in pairs), flush=True)
    one, group = single.needed(target), grouped.needed(target)
    _add(figures, "accuracy_before", single.accuracies[0])
    _add(figures, "accuracy_reachable", best)
    _add(figures, "verdicts_one_by_one", one)
    _add(figures, "verdicts_by_group", group)
    if one:  # else there was next to nothing to win
        _add(figures, "verdict_ratio", group / one)
        _add(figures, "act_ratio", grouped.needed(target, acts=True) / one)


def timed(make: Callable[[], Made]) -> tuple[Made, float]:
    """What is made, and the seconds it took."""
    start = time.perf_counter()
    made = make()
    return made, time.perf_counter() - start


def _add(figures: Figures, name: str, value: float) -> None:
    figures.setdefault(name, []).append(float(value))


def shown(figures: Figures, groups: Sequence[str], *, quick: bool) -> str:
    """The line of JSON: medians, with lowest and highest value."""
    return json.dumps(
        {
            "name": "benchmarks.groups",
            "quick": quick,
            "extractors": groups,
            "seeds": len(figures["purity"]),
            "figures": {name: _rounded(float(np.median(values))) for name, values in figures.items()},
            "spread": {
                name: [_rounded(min(values)), _rounded(max(values))] for name, values in figures.items()
            },
        }
    )


def _rounded(value: float) -> float | None:
    return round(value, 4) if np.isfinite(value) else None


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses the arguments, measures, and prints the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one fleet, within a minute")
    parser.add_argument("--seeds", type=int, default=SEED_COUNT, help="fleets; the novel pairs take turns")
    parser.add_argument("--first-seed", type=int, default=0, help="where to go on, for runs in parts")
    parser.add_argument("--tuning", action="store_true", help="the extractor that everything was tuned on")
    options = parser.parse_args(arguments)
    keep_calibrations()
    extractors = (TUNING_GROUP,) if options.tuning else REPORT_GROUPS
    images = load_images()
    figures: Figures = {}
    for seed in range(options.first_seed, options.first_seed + (1 if options.quick else options.seeds)):
        extractor = extractors[seed % len(extractors)]
        start = time.perf_counter()
        add_labels(figures, FleetWorld(images, extractor, extractor, seed), seed)
        seconds = time.perf_counter() - start
        print(f"{extractor}, seed {seed}: {seconds:.0f} s", flush=True)
        print(shown(figures, extractors, quick=options.quick), flush=True)
    if available(PRETRAINED) and not options.quick:
        for seed in range(min(PRETRAINED_SEED_COUNT, options.seeds)):
            world = FleetWorld(images, PRETRAINED, extractors[seed % len(extractors)], seed)
            add_clustering(figures, "pretrained_", world.evidence(world.devices(), seed))
    print(shown(figures, extractors, quick=options.quick), flush=True)


if __name__ == "__main__":
    main()
