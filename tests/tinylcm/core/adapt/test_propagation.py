"""A label spreads only inside a tight neighbourhood, and only where the reference has nothing to say."""

import numpy as np
import pytest

from tinylcm.core.adapt.propagation import propagate
from tinylcm.core.classify.distances import Metric

REFERENCE = np.array([[0.0, 0.0], [10.0, 0.0]])
LABELLED = np.array([[4.0, 0.0], [4.0, 9.0]])


def test_the_nearest_labelled_sample_gives_its_label_where_it_is_nearer_than_the_reference() -> None:
    unlabelled = np.array([[3.0, 0.0], [1.5, 0.0], [5.0, 8.0], [8.0, 0.0]])
    found = propagate(unlabelled, LABELLED, ["bag", "hat"], REFERENCE, eligible={"bag", "hat"})
    assert [(given.row, given.source, given.label) for given in found] == [(0, 0, "bag"), (2, 1, "hat")]


def test_a_tie_with_the_reference_spreads_nothing() -> None:
    assert propagate(np.array([[2.0, 0.0]]), LABELLED, ["bag", "hat"], REFERENCE, eligible={"bag"}) == []


def test_labels_of_known_classes_never_spread() -> None:
    unlabelled = np.array([[4.1, 0.0], [4.1, 9.0]])
    found = propagate(unlabelled, LABELLED, ["coat", "bag"], REFERENCE, eligible={"bag"})
    assert [given.row for given in found] == [1]


def test_the_metric_of_the_classifier_decides() -> None:
    unlabelled, labelled, reference = np.array([[1.0, 1.0]]), np.array([[9.0, 9.0]]), np.array([[1.0, 0.0]])
    assert not propagate(unlabelled, labelled, ["bag"], reference, eligible={"bag"})
    assert propagate(unlabelled, labelled, ["bag"], reference, eligible={"bag"}, metric=Metric.COSINE)


@pytest.mark.parametrize(("unlabelled_count", "labelled_count"), [(0, 2), (2, 0)])
def test_nothing_spreads_from_or_to_nothing(unlabelled_count: int, labelled_count: int) -> None:
    labels = ["bag", "hat"][:labelled_count]
    assert (
        propagate(LABELLED[:unlabelled_count], LABELLED[:labelled_count], labels, REFERENCE, eligible={"bag"})
        == []
    )
