"""Samples find their groups: the clustering alone, without a store."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.tinysphere.drift.builders import SPACE, sample_record
from tinysphere.domain.drift import Embedding, Neighbour, Sample
from tinysphere.domain.sample_groups import GroupingStep, GroupSpace
from tinysphere.drift.grouping import lookalikes
from tinysphere.drift.grouping.features import embedding_matrix, features, label_shares
from tinysphere.drift.grouping.grouper import group_id_of
from tinysphere.drift.grouping.lookalikes import MOST_LABELS, Lookalikes, most_groups
from tinysphere.drift.grouping.representatives import representatives

WIDTH = 16


def sample(number: int, values: NDArray[np.float64] | Sequence[float], *labels: str) -> Sample:
    vector = np.asarray(values, dtype="<f4")
    embedding = Embedding(values=vector.tobytes(), dimension_count=len(vector), feature_space=SPACE)
    neighbours = tuple(
        Neighbour(sample_id=f"reference/{place}", label=label, distance=1.0 + place)
        for place, label in enumerate(labels)
    )
    return sample_record(number, embedding=embedding, neighbours=neighbours)


def kinds(count: int, *, kind_count: int = 4, seed: int = 1) -> tuple[list[Sample], NDArray[np.int64]]:
    """Samples around a few directions, each with the label of its kind among its neighbours, and their kinds."""
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(kind_count, WIDTH)) * 3
    truths = rng.integers(kind_count, size=count)
    vectors = 5 + directions[truths] + rng.normal(scale=0.3, size=(count, WIDTH))
    made = [
        sample(number, vector, f"kind-{truth}", "other")
        for number, (vector, truth) in enumerate(zip(vectors, truths, strict=True))
    ]
    return made, truths


def new_space(width: int = WIDTH) -> GroupSpace:
    return GroupSpace(feature_space=SPACE, sample_count=0, embedding_sum=bytes(8 * width), labels=())


def empty(width: int = WIDTH) -> Lookalikes:
    return Lookalikes(new_space(width), [], group_id_of=group_id_of)


def groups_of(*steps: GroupingStep) -> dict[str, str]:
    return {joining.sample_id: joining.group_id for step in steps for joining in step.joinings}


def taken_up(steps: Sequence[GroupingStep]) -> Lookalikes:
    """What a new process reads of what was stored."""
    centres = {centre.group_id: centre for step in steps for centre in step.centres}
    return Lookalikes(steps[-1].space, list(centres.values()), group_id_of=group_id_of)


def test_kinds_become_groups() -> None:
    samples, truths = kinds(400)
    groups = groups_of(empty().place(samples[:256]).step)
    by_group: dict[str, set[int]] = {}
    for one, truth in zip(samples[:256], truths, strict=False):
        by_group.setdefault(groups[one.sample_id], set()).add(int(truth))
    assert len(by_group) == 4
    assert all(len(members) == 1 for members in by_group.values())


def test_the_same_samples_make_the_same_groups() -> None:
    samples, _ = kinds(120)
    assert empty().place(samples).step == empty().place(samples).step


def test_a_new_process_goes_on_where_the_last_one_stopped() -> None:
    samples, _ = kinds(300, kind_count=12)
    parts = [samples[start : start + 50] for start in range(0, 300, 50)]
    undisturbed = empty()
    straight = [undisturbed.place(part).step for part in parts]
    broken: list[GroupingStep] = [empty().place(parts[0]).step]
    for part in parts[1:]:
        broken.append(taken_up(broken).place(part).step)
    assert groups_of(*broken) == groups_of(*straight)
    assert broken[-1].space == straight[-1].space
    for mine, other in zip(broken, straight, strict=True):
        assert {centre.group_id for centre in mine.centres} == {centre.group_id for centre in other.centres}


def test_a_sample_that_is_like_nothing_founds_a_group() -> None:
    samples, _ = kinds(200)
    known = empty()
    first = known.place(samples).step
    stranger = sample(999, np.full(WIDTH, -40.0), "kind-9")
    step = known.place([stranger]).step
    assert step.founded == {group_id_of(stranger.sample_id)}
    assert step.joinings[0].similarity == 1.0
    assert step.previous_sample_count == first.space.sample_count == 200
    assert step.space.sample_count == 201


def test_neighbours_tell_apart_what_vectors_do_not() -> None:
    vector = np.arange(WIDTH, dtype=float)
    made = [sample(number, vector, ("cat", "dog")[number % 2]) for number in range(8)]
    groups = groups_of(empty().place(made).step)
    assert len(set(groups.values())) == 2


def test_equal_samples_alone_are_one_group() -> None:
    made = [sample(number, np.ones(WIDTH), "cat") for number in range(9)]
    step = empty().place(made).step
    assert len(step.founded) == 1
    assert all(joining.similarity == pytest.approx(1, abs=1e-6) for joining in step.joinings)


@pytest.mark.parametrize("values", [np.zeros(WIDTH), np.full(WIDTH, 1e30), np.full(WIDTH, 1e-30)])
def test_odd_vectors_find_a_place(values: NDArray[np.float64]) -> None:
    samples, _ = kinds(20)
    known = empty()
    known.place(samples)
    step = known.place([sample(500, values), sample(501, values)]).step
    assert len(step.joinings) == 2
    assert all(-1 <= joining.similarity <= 1 for joining in step.joinings)


def test_what_is_kept_in_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookalikes, "MOST_GROUPS", 3)
    samples, _ = kinds(300, kind_count=8)
    parts = [samples[start : start + 20] for start in range(0, 300, 20)]
    bounded = empty()
    steps = [bounded.place(part).step for part in parts]
    # Groups that left the memory do not grow: what looks like them founds another.
    assert len({centre.group_id for step in steps for centre in step.centres}) > 8
    assert len(bounded.place([samples[0]]).step.centres) == 1
    assert most_groups(4096) * 4096 * 4 <= lookalikes.MOST_BYTES


def test_labels_are_bounded() -> None:
    made = [
        sample(number, np.full(WIDTH, float(number)), f"label-{number}") for number in range(MOST_LABELS + 9)
    ]
    known = empty()
    step = known.place(made).step
    assert len(step.space.labels) == MOST_LABELS
    assert (
        taken_up([step]).place([sample(900, np.ones(WIDTH), "label-3")]).step.space.labels
        == step.space.labels
    )


def test_label_shares_weigh_by_distance() -> None:
    shares = label_shares(sample(1, [1.0], "cat", "dog", "cat").neighbours)
    total = 1 + 1 / 2 + 1 / 3
    expected: Mapping[str, float] = {"cat": (1 + 1 / 3) / total, "dog": (1 / 2) / total}
    assert shares == pytest.approx(expected)
    assert label_shares([]) == {}
    twin = replace(sample(1, [1.0], "cat").neighbours[0], distance=0.0)
    assert label_shares([twin]) == {"cat": 1.0}


def test_features_are_unit_vectors_without_the_mean() -> None:
    samples, _ = kinds(50)
    vectors = embedding_matrix(samples)
    made = features(vectors, np.ones((50, 1), dtype=np.float32), vectors.mean(axis=0, dtype=np.float64))
    assert np.linalg.norm(made, axis=1) == pytest.approx(np.ones(50), abs=1e-5)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(50), abs=1e-6)
    shifted = features(
        vectors + 100, np.ones((50, 1), dtype=np.float32), (vectors + 100).mean(axis=0, dtype=np.float64)
    )
    # The mean is taken away; only the coordinate that all have in common grows with it.
    assert (made[:, :WIDTH] * shifted[:, :WIDTH]).sum(axis=1).min() > 0


def test_representatives_are_the_medoid_and_what_covers_the_rest() -> None:
    angles = np.deg2rad([0, 2, 4, 40, 90])
    candidates = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    centre = candidates.mean(axis=0)
    assert representatives(candidates, centre, 3) == [3, 4, 0]
    assert sorted(representatives(candidates, centre)) == [0, 1, 2, 3, 4]
    assert representatives(candidates[:0], centre) == []
