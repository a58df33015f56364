"""The projection is scikit-learn's, to the sign, without scikit-learn."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from tinylcm.core.classify.transform import Transform, fit_transform_parameters
from tinylcm.errors import InputError


def embeddings(count: int = 300, dimension_count: int = 24) -> NDArray[np.float32]:
    rng = np.random.default_rng(7)
    mixing = rng.normal(size=(dimension_count, dimension_count))
    return (rng.normal(size=(count, dimension_count)) @ mixing + 40.0).astype(np.float32)


@pytest.mark.parametrize("component_count", [1, 8, 24])
def test_equals_scikit_learn(component_count: int) -> None:
    values = embeddings()
    transform = fit_transform_parameters(values, component_count)
    scaler = StandardScaler().fit(values.astype(np.float64))
    pca = PCA(component_count, svd_solver="full").fit(scaler.transform(values.astype(np.float64)))
    np.testing.assert_allclose(transform.scaler_mean, scaler.mean_, rtol=1e-9)
    np.testing.assert_allclose(transform.scaler_scale, scaler.scale_, rtol=1e-9)
    np.testing.assert_allclose(transform.components, pca.components_, atol=1e-5)
    expected = pca.transform(scaler.transform(values.astype(np.float64)))
    np.testing.assert_allclose(transform.apply_many(values), expected, atol=1e-5, rtol=1e-5)


def test_one_embedding_gives_the_row_of_many() -> None:
    values = embeddings()
    transform = fit_transform_parameters(values, 8)
    assert transform.apply(values[3]).dtype == np.float32
    np.testing.assert_allclose(
        transform.apply(values[3]), transform.apply_many(values)[3], rtol=1e-5, atol=1e-5
    )


def test_a_constant_dimension_keeps_scale_one_as_in_scikit_learn() -> None:
    values = embeddings()
    values[:, 5] = 0.1
    transform = fit_transform_parameters(values, 8)
    scaler = StandardScaler().fit(values.astype(np.float64))
    assert transform.scaler_scale[5] == scaler.scale_[5] == 1.0


def test_a_large_offset_does_not_cancel() -> None:
    values = embeddings().astype(np.float64) + 1e4
    transform = fit_transform_parameters(values, 8)
    near = transform.apply_many(values)
    exact = (values - transform.scaler_mean) / transform.scaler_scale @ transform.components.T
    assert np.abs(near - exact).max() < 0.01  # float32 holds 1e4 to 0.001 only


def test_the_same_embeddings_give_the_same_parameters() -> None:
    first, second = (fit_transform_parameters(embeddings(), 8) for _ in range(2))
    assert np.array_equal(first.components, second.components)


@pytest.mark.parametrize(
    ("values", "component_count", "complaint"),
    [
        (np.ones((1, 4)), 1, "n at least 2"),
        (np.ones(4), 1, "expected shape"),
        (np.array([[1.0, np.nan], [2.0, 3.0]]), 1, "finite"),
        (np.ones((3, 4)), 4, "1 to 3"),
        (np.ones((3, 4)), 0, "1 to 3"),
    ],
)
def test_unfit_embeddings_are_refused(
    values: NDArray[np.float64], component_count: int, complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        fit_transform_parameters(values, component_count)


def test_another_dimension_is_refused_by_name() -> None:
    transform = fit_transform_parameters(embeddings(), 8)
    with pytest.raises(InputError, match=r"embedding: expected shape \(24,\), got \(23,\)"):
        transform.apply(np.zeros(23, dtype=np.float32))
    with pytest.raises(InputError, match="embeddings"):
        transform.apply_many(np.zeros((2, 23), dtype=np.float32))


def test_parameters_that_contradict_each_other_are_refused() -> None:
    good = {
        "scaler_mean": np.zeros(3),
        "scaler_scale": np.ones(3),
        "pca_mean": np.zeros(3),
        "components": np.eye(3),
    }
    for change in (
        {"scaler_mean": np.zeros(4)},
        {"scaler_scale": np.zeros(3)},
        {"pca_mean": np.full(3, np.inf)},
    ):
        with pytest.raises(InputError, match="transform"):
            Transform(**(good | change))
