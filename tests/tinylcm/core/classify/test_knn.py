"""The classifier: bounded, deterministic, the same by both searches, and without loss through its state."""

import json
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.neighbors import KNeighborsClassifier

from tinylcm.core.classify.knn import LightweightKNN
from tinylcm.core.classify.search import AGREEMENT
from tinylcm.errors import InputError, StateError

METRICS = ("euclidean", "manhattan", "cosine")


def filled(
    points: NDArray[np.floating], labels: list[str], *, capacity: int | None = None, **options: Any
) -> LightweightKNN:
    knn = LightweightKNN(capacity or len(points), points.shape[1], **options)
    for row, (point, label) in enumerate(zip(points, labels, strict=True)):
        assert knn.add(point, label, f"reference/{row}", trusted=True)
    return knn


def cloud(count: int, dimension_count: int = 16, seed: int = 1) -> tuple[NDArray[np.float32], list[str]]:
    rng = np.random.default_rng(seed)
    numbers = rng.integers(0, 4, count)
    centres = 2 * rng.normal(size=(4, dimension_count))
    points = centres[numbers] + rng.normal(size=(count, dimension_count))
    return points.astype(np.float32), [f"class {number}" for number in numbers]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("neighbour_count", [1, 5, 20])
def test_neighbours_are_those_of_scikit_learn(metric: str, neighbour_count: int) -> None:
    points, labels = cloud(400)
    knn = filled(points, labels, metric=metric, neighbour_count=neighbour_count, weighting="count")
    other = KNeighborsClassifier(neighbour_count, metric=metric, algorithm="brute").fit(points, labels)
    queries = cloud(50, seed=2)[0]
    distances, rows = other.kneighbors(queries)
    for query, expected_distances, expected_rows in zip(queries, distances, rows, strict=True):
        prediction = knn.predict(query)
        assert [n.sample_id for n in prediction.neighbours] == [f"reference/{row}" for row in expected_rows]
        np.testing.assert_allclose(
            [n.distance for n in prediction.neighbours], expected_distances, rtol=1e-4, atol=1e-5
        )
        assert prediction.mean_distance == pytest.approx(float(expected_distances.mean()), rel=1e-4)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dimension_count", [2, 64, 300])
def test_both_searches_agree(metric: str, dimension_count: int) -> None:
    points, labels = cloud(200, dimension_count)
    fast = filled(points, labels, metric=metric)
    plain = filled(points, labels, metric=metric, search="python")
    for query in cloud(40, dimension_count, seed=3)[0]:
        one, two = fast.predict(query), plain.predict(query)
        assert [n.sample_id for n in one.neighbours] == [n.sample_id for n in two.neighbours]
        for first, second in zip(one.neighbours, two.neighbours, strict=True):
            assert abs(first.distance - second.distance) <= AGREEMENT * (1 + second.distance)
        assert one.label == two.label
        assert one.confidence == pytest.approx(two.confidence, abs=1e-3)


@given(
    st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=1, max_size=40), st.integers(1, 8)
)
@settings(max_examples=60, deadline=None)
def test_ties_of_coarse_vectors_do_not_depend_on_the_search(
    rows: list[tuple[int, int]], neighbour_count: int
) -> None:
    """Quantised embeddings often lie at equal distances; age decides, not the luck of a partition."""
    points = np.array(rows, dtype=np.float32)
    labels = [f"class {index % 3}" for index in range(len(rows))]
    fast = filled(points, labels, neighbour_count=neighbour_count)
    plain = filled(points, labels, neighbour_count=neighbour_count, search="python")
    query = np.array([0.0, 1.0], dtype=np.float32)
    exact = sorted((float(np.hypot(x, y - 1)), index) for index, (x, y) in enumerate(rows))
    expected = [f"reference/{index}" for _, index in exact[:neighbour_count]]
    assert [n.sample_id for n in fast.predict(query).neighbours] == expected
    assert [n.sample_id for n in plain.predict(query).neighbours] == expected


def test_nearby_points_far_from_the_origin_keep_their_order() -> None:
    """|x|^2 - 2 x.q cancels nearly all digits here; the exact second look must not."""
    points = np.full((40, 8), 1000.0, dtype=np.float32)
    points[:, 0] += np.arange(40, dtype=np.float32) * 0.01
    knn = filled(points, ["bag"] * 40, neighbour_count=3)
    prediction = knn.predict(points[20])
    assert [n.sample_id for n in prediction.neighbours] == ["reference/20", "reference/19", "reference/21"]
    assert prediction.neighbours[0].distance == 0.0


def test_confidence_weighs_by_inverse_squared_distance() -> None:
    points = np.array([[1.0], [-2.0], [2.0]])
    by_distance = filled(points, ["bag", "coat", "coat"], neighbour_count=3)
    by_count = filled(points, ["bag", "coat", "coat"], neighbour_count=3, weighting="count")
    near, counted = by_distance.predict(np.zeros(1)), by_count.predict(np.zeros(1))
    assert (near.label, counted.label) == ("bag", "coat")
    assert near.confidence == pytest.approx(1 / (1 + 1 / 4 + 1 / 4))
    assert counted.confidence == pytest.approx(2 / 3)


def test_a_weight_multiplies_a_vote() -> None:
    knn = LightweightKNN(4, 1, neighbour_count=2, weighting="count")
    knn.add(np.array([1.0]), "coat", "a", trusted=True)
    knn.add(np.array([2.0]), "bag", "b", trusted=True, weight=3.0)
    prediction = knn.predict(np.zeros(1))
    assert (prediction.label, prediction.confidence) == ("bag", 0.75)


def test_equal_votes_go_to_more_neighbours_then_to_the_oldest() -> None:
    two_to_one = LightweightKNN(5, 1, neighbour_count=3, weighting="count")
    two_to_one.add(np.array([1.0]), "coat", "a", trusted=True, weight=2.0)
    two_to_one.add(np.array([1.0]), "bag", "b", trusted=True)
    two_to_one.add(np.array([1.0]), "bag", "c", trusted=True)
    assert two_to_one.predict(np.zeros(1)).label == "bag"
    one_each = filled(np.array([[1.0], [-1.0]]), ["dress", "bag"], neighbour_count=2)
    assert one_each.predict(np.zeros(1)).label == "dress"
    one_each.remove("reference/0")
    one_each.add(np.array([1.0]), "dress", "reference/0", trusted=True)
    assert one_each.predict(np.zeros(1)).label == "bag"


@pytest.mark.filterwarnings("ignore:overflow encountered in dot")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_values_that_are_not_finite_are_refused_by_name(value: float) -> None:
    knn = filled(*cloud(10))
    point = np.zeros(16, dtype=np.float32)
    point[3] = value
    with pytest.raises(InputError, match="point: every value must be finite"):
        knn.predict(point)
    with pytest.raises(InputError, match="point: every value must be finite"):
        knn.add(point, "bag", "x", trusted=True)
    assert "x" not in knn
    assert len(knn) == 10


def test_unusable_arguments_are_refused_by_name() -> None:
    knn = filled(*cloud(10))
    with pytest.raises(InputError, match=r"point: expected shape \(16,\), got \(15,\)"):
        knn.predict(np.zeros(15, dtype=np.float32))
    with pytest.raises(InputError, match="label"):
        knn.add(np.zeros(16), "", "x", trusted=True)
    with pytest.raises(InputError, match="weight"):
        knn.add(np.zeros(16), "bag", "x", trusted=True, weight=0.0)
    for options in ({"capacity": 0}, {"metric": "hamming"}, {"weighting": "none"}, {"search": "gpu"}):
        with pytest.raises(InputError):
            LightweightKNN(**({"capacity": 3, "dimension_count": 2} | options))


def test_an_empty_classifier_says_so() -> None:
    knn = LightweightKNN(3, 2)
    with pytest.raises(InputError, match="holds no sample"):
        knn.predict(np.zeros(2))
    knn.add(np.zeros(2), "bag", "a", trusted=True)
    with pytest.raises(InputError, match="holds no sample"):
        knn.predict(np.zeros(2), excluding=("a",))


def test_leave_one_out_equals_removing_each_sample() -> None:
    points, labels = cloud(60)
    knn = filled(points, labels)
    true_labels, predicted, distances = knn.leave_one_out()
    assert true_labels.tolist() == labels
    for row in range(60):
        without = knn.copy()
        without.remove(f"reference/{row}")
        prediction = without.predict(points[row])
        assert prediction.label == predicted[row]
        assert prediction.mean_distance == pytest.approx(distances[row], rel=1e-6)


def test_a_sample_added_again_replaces_the_old_one() -> None:
    knn = filled(*cloud(10), capacity=12)
    knn.add(np.ones(16), "bag", "reference/4", trusted=True)
    assert len(knn) == 10
    assert knn.predict(np.ones(16)).neighbours[0].label == "bag"


def test_a_removed_sample_never_votes_again() -> None:
    points, labels = cloud(30)
    knn = filled(points, labels)
    assert knn.remove("reference/7")
    assert not knn.remove("reference/7")
    for row in range(30):
        assert all(n.sample_id != "reference/7" for n in knn.predict(points[row]).neighbours)
    assert knn.point_of("reference/7") is None
    np.testing.assert_array_equal(knn.point_of("reference/29"), points[29])


def test_a_full_store_never_trades_a_trusted_sample_for_an_untrusted_one() -> None:
    points, labels = cloud(50)
    knn = filled(points, labels)
    assert not any(
        knn.add(point, "novel", f"pseudo/{row}", trusted=False)
        for row, point in enumerate(cloud(200, seed=9)[0])
    )
    assert sorted(knn.sample_ids) == sorted(f"reference/{row}" for row in range(50))


def test_untrusted_samples_stay_within_capacity_and_leave_for_trusted_ones() -> None:
    points, labels = cloud(50)
    knn = filled(points, labels, capacity=60)
    for row, point in enumerate(cloud(200, seed=9)[0]):
        knn.add(point, "novel", f"pseudo/{row}", trusted=False)
        assert len(knn) <= 60
    assert Counter(knn.labels)["novel"] == 10
    for row, point in enumerate(cloud(5, seed=10)[0]):
        assert knn.add(point, "human", f"judged/{row}", trusted=True)
    assert Counter(knn.labels)["novel"] == 5
    assert sum(sample_id.startswith("reference/") for sample_id in knn.sample_ids) == 50


def test_no_class_starves_when_labels_pour_in() -> None:
    points, labels = cloud(80)
    knn = filled(points, labels)
    before = Counter(labels)
    for row, point in enumerate(cloud(500, seed=11)[0]):
        knn.add(point, "flood", f"judged/{row}", trusted=True)
    after = Counter(knn.labels)
    assert len(knn) == 80
    assert set(after) == {*before, "flood"}
    assert all(after[label] >= min(count, 80 // 5) for label, count in before.items())
    assert max(after.values()) <= 80 // 5 + 1


def test_condensing_drops_the_older_of_the_two_that_are_most_alike() -> None:
    points = np.array([[0.0], [5.0], [5.1], [9.0]])
    knn = filled(points, ["bag"] * 4)
    knn.add(np.array([20.0]), "coat", "judged/0", trusted=True)
    assert sorted(knn.sample_ids) == ["judged/0", "reference/0", "reference/2", "reference/3"]


@pytest.mark.parametrize("metric", METRICS)
def test_state_goes_through_json_without_loss(metric: str) -> None:
    points, labels = cloud(120)
    knn = filled(points, labels, capacity=150, metric=metric, weighting="count", neighbour_count=7)
    for row in range(0, 60, 3):
        knn.remove(f"reference/{row}")
    knn.add(points[0], "bag", "pseudo/1", trusted=False, weight=0.1)
    meta, arrays = knn.state()
    again = LightweightKNN.from_state(
        json.loads(json.dumps(meta)), {name: a.copy() for name, a in arrays.items()}
    )
    for query in cloud(40, seed=5)[0]:
        assert again.predict(query) == knn.predict(query)
    meta_again, arrays_again = again.state()
    assert meta_again == meta
    assert all(np.array_equal(arrays_again[name], arrays[name]) for name in arrays)
    for other in (knn, again):
        for row, point in enumerate(cloud(100, seed=6)[0]):
            other.add(point, "late", f"late/{row}", trusted=row % 2 == 0)
    assert again.sample_ids == knn.sample_ids


def test_a_copy_is_independent() -> None:
    knn = filled(*cloud(20), capacity=40)
    copy = knn.copy()
    copy.add(np.zeros(16), "bag", "x", trusted=True)
    copy.remove("reference/3")
    assert len(knn) == 20
    assert "x" not in knn
    assert "reference/3" in knn


def test_stored_points_cannot_be_written_through() -> None:
    knn = filled(*cloud(20))
    with pytest.raises(ValueError, match="read-only"):
        knn.points[0, 0] = 1.0


def _without(name: str) -> Any:
    return lambda meta, arrays: (arrays.pop(name, None), meta.pop(name, None))


@pytest.mark.parametrize(
    "damage",
    [
        _without("points"),
        _without("sequences"),
        _without("sample_ids"),
        _without("metric"),
        lambda meta, arrays: meta.update(version=99),
        lambda meta, arrays: meta.update(capacity=5),
        lambda meta, arrays: meta.update(metric="hamming"),
        lambda meta, arrays: meta.update(next_sequence=3),
        lambda meta, arrays: meta.update(dimension_count=15),
        lambda meta, arrays: meta["sample_ids"].__setitem__(1, meta["sample_ids"][0]),
        lambda meta, arrays: meta["sample_ids"].pop(),
        lambda meta, arrays: meta["label_names"].pop(),
        lambda meta, arrays: arrays["points"].__setitem__((0, 0), np.nan),
        lambda meta, arrays: arrays["weights"].__setitem__(0, -1.0),
        lambda meta, arrays: arrays["sequences"].__setitem__(1, arrays["sequences"][0]),
        lambda meta, arrays: arrays["label_numbers"].__setitem__(0, 77),
    ],
)
def test_damaged_state_is_refused(damage: Any) -> None:
    meta, arrays = filled(*cloud(20)).state()
    meta = json.loads(json.dumps(meta))
    arrays = {name: array.copy() for name, array in arrays.items()}
    damage(meta, arrays)
    with pytest.raises(StateError):
        LightweightKNN.from_state(meta, arrays)
