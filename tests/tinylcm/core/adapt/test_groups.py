"""Representatives, clusters and proposals: on points whose groups are known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tinylcm.core.adapt.clusters import find_clusters
from tinylcm.core.adapt.proposals import group_of, propose_labels
from tinylcm.core.adapt.representatives import choose_representatives

SIZES = (40, 25, 10)


def groups(seed: int = 0, distance: float = 20.0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Three groups of unlike sizes in eight dimensions, shuffled."""
    rng = np.random.default_rng(seed)
    numbers = rng.permutation(np.repeat(np.arange(3), SIZES))
    centres = np.zeros((3, 8))
    centres[[1, 2], [0, 1]] = distance
    return centres[numbers] + rng.normal(size=(sum(SIZES), 8)), numbers


def coverage(points: NDArray[np.float64], medoids: NDArray[np.intp]) -> float:
    return float(np.linalg.norm(points[:, None] - points[medoids], axis=2).min(axis=1).mean())


@pytest.mark.parametrize("seed", range(5))
def test_the_first_representatives_stand_for_one_group_each(seed: int) -> None:
    points, numbers = groups(seed)
    cover = choose_representatives(points, 3)
    assert sorted(numbers[cover.medoids]) == [0, 1, 2]
    assert all(numbers[cover.medoids[cover.groups[row]]] == numbers[row] for row in range(len(points)))


def test_a_prefix_of_the_choice_is_the_smaller_choice() -> None:
    points, _ = groups()
    long, short = choose_representatives(points, 30), choose_representatives(points, 10)
    assert long.medoids[:10].tolist() == short.medoids.tolist()
    assert len(set(long.medoids.tolist())) == 30


def test_coverage_beats_every_one_of_many_random_choices() -> None:
    points, _ = groups()
    chosen = coverage(points, choose_representatives(points, 8).medoids)
    rng = np.random.default_rng(1)
    assert all(chosen < coverage(points, rng.choice(len(points), 8, replace=False)) for _ in range(200))


def test_asking_for_more_than_there_are_gives_all() -> None:
    points, _ = groups()
    assert sorted(choose_representatives(points[:5], 60).medoids.tolist()) == [0, 1, 2, 3, 4]
    assert len(choose_representatives(points[:0], 60).medoids) == 0


def test_equal_points_are_all_chosen_at_most_once() -> None:
    cover = choose_representatives(np.ones((6, 3)), 4)
    assert len(set(cover.medoids.tolist())) == 4


@pytest.mark.parametrize("seed", range(5))
def test_clusters_are_the_groups_largest_first(seed: int) -> None:
    points, numbers = groups(seed)
    clusters = find_clusters(points, 8)
    assert tuple(len(cluster.members) for cluster in clusters) == SIZES
    for number, cluster in enumerate(clusters):
        assert set(numbers[list(cluster.members)]) == {number}
        assert cluster.medoid in cluster.members
        assert cluster.separation > 3 * cluster.cohesion
        assert cluster.silhouette > 0.6


def test_one_cloud_is_one_cluster() -> None:
    points = np.random.default_rng(0).normal(size=(60, 8))
    (cluster,) = find_clusters(points, 8)
    assert cluster.members == tuple(range(60))
    assert cluster.separation == np.inf


def test_cohesion_is_the_mean_distance_of_pairs() -> None:
    (cluster,) = find_clusters(np.array([[0.0], [1.0], [3.0]]), 1)
    assert cluster.cohesion == pytest.approx((1 + 2 + 3) / 3)
    (alone,) = find_clusters(np.array([[0.0]]), 3)
    assert (alone.cohesion, alone.silhouette) == (0.0, 0.0)
    assert find_clusters(np.empty((0, 4)), 3) == ()


def test_a_far_group_is_an_unknown_class_even_when_the_classifier_is_sure_of_it() -> None:
    points, numbers = groups()
    predicted = [("coat", "shirt", "bag")[number] for number in numbers]
    scores = [(0.3, 6.0, 5.0)[number] for number in numbers]
    proposals = propose_labels(points, predicted, scores)
    assert [proposal.name for proposal in proposals] == [
        "variant of coat",
        "unknown class #1",
        "unknown class #2",
    ]
    assert [proposal.known_label for proposal in proposals] == ["coat", "", ""]
    assert all(group_of(proposals)[row].cluster.members.count(row) == 1 for row in range(len(points)))


def test_a_near_group_that_the_classifier_calls_many_names_is_unknown() -> None:
    points, numbers = groups()
    predicted = [("coat", "shirt")[row % 2] for row in range(len(numbers))]
    proposals = propose_labels(points, predicted, [0.1] * len(numbers))
    assert {proposal.known_label for proposal in proposals} == {""}
    assert all(proposal.agreement < 0.9 for proposal in proposals)
