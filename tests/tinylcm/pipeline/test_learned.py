"""The first state of a device, and its one serial form."""

import json
from collections import Counter
from typing import Any

import numpy as np
import pytest

from tests.tinylcm.pipeline.world import KNOWN, draw
from tinylcm.errors import InputError, StateError
from tinylcm.pipeline.learned import LearnedState, learn


def test_learning_names_its_classes_and_classifies_them(learned: LearnedState) -> None:
    embeddings, labels = draw(np.random.default_rng(9), 300)
    predicted = [learned.knn.predict(point).label for point in learned.projection.apply_many(embeddings)]
    assert learned.class_names == KNOWN
    assert np.mean([one == other for one, other in zip(predicted, labels, strict=True)]) > 0.95
    assert learned.runtime == "vectors 1.0"
    assert len(learned.reference()) == 240


def test_parts_go_through_json_without_loss(learned: LearnedState) -> None:
    meta, arrays = learned.parts()
    again = LearnedState.from_parts(json.loads(json.dumps(meta, allow_nan=False)), arrays)
    for point in learned.projection.apply_many(draw(np.random.default_rng(9), 50)[0]):
        assert again.knn.predict(point) == learned.knn.predict(point)
    meta_again, arrays_again = again.parts()
    assert meta_again == meta
    assert arrays_again.keys() == arrays.keys()
    assert all(np.array_equal(arrays_again[name], arrays[name]) for name in arrays)


def test_the_same_seed_learns_the_same() -> None:
    embeddings, labels = draw(np.random.default_rng(1), 60)
    first, second = (
        learn(
            embeddings, labels, component_count=4, capacity=40, rng=np.random.default_rng(2), runtime="r"
        ).parts()
        for _ in range(2)
    )
    assert first[0] == second[0]
    assert all(np.array_equal(first[1][name], second[1][name]) for name in first[1])


def test_more_samples_than_room_are_drawn_evenly_from_the_classes() -> None:
    embeddings, labels = draw(np.random.default_rng(1), 200)
    rare = [*range(5), *(row for row, label in enumerate(labels) if label != "coat")]
    learned = learn(
        embeddings[rare],
        [labels[row] for row in rare],
        component_count=4,
        capacity=60,
        rng=np.random.default_rng(2),
        runtime="r",
    )
    counts = Counter(learned.knn.labels)
    rare_count = Counter(labels[row] for row in rare)["coat"]
    assert len(learned.knn) == 60
    assert counts["coat"] == rare_count
    assert abs(counts["dress"] - counts["shirt"]) <= 1


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"labels": ["coat"] * 19}, "embeddings, got 19|for 20 embeddings"),
        ({"labels": [""] * 20}, "label"),
        ({"component_count": 13}, "component_count"),
        ({"embeddings": np.full((20, 12), np.nan, np.float32)}, "finite"),
    ],
)
def test_unfit_samples_are_refused(change: dict[str, Any], complaint: str) -> None:
    embeddings, labels = draw(np.random.default_rng(1), 20)
    arguments: dict[str, Any] = {
        "embeddings": embeddings,
        "labels": labels,
        "component_count": 4,
        "capacity": 40,
        "rng": np.random.default_rng(2),
        "runtime": "r",
    }
    with pytest.raises(InputError, match=complaint):
        learn(**(arguments | change))


@pytest.mark.parametrize(
    "damage",
    [
        lambda meta, arrays: meta.update(version=9),
        lambda meta, arrays: meta.pop("class_names"),
        lambda meta, arrays: meta.update(knn=[]),
        lambda meta, arrays: meta["calibration"].clear(),
        lambda meta, arrays: meta["reference_class_names"].pop(),
        lambda meta, arrays: arrays.pop("transform.components"),
        lambda meta, arrays: arrays.pop("knn.points"),
        lambda meta, arrays: arrays.update({"transform.scaler_scale": np.zeros(12)}),
        lambda meta, arrays: arrays.update({"correction.scale": np.ones(5)}),
        lambda meta, arrays: arrays.update({"correction.offset": np.full(12, np.nan)}),
        lambda meta, arrays: arrays.update({"moments.means": np.zeros((1, 12))}),
    ],
)
def test_damaged_parts_are_refused(learned: LearnedState, damage: Any) -> None:
    meta, arrays = learned.parts()
    meta, arrays = json.loads(json.dumps(meta)), dict(arrays)
    damage(meta, arrays)
    with pytest.raises(StateError):
        LearnedState.from_parts(meta, arrays)
