"""Matching moments undoes a changed sensor exactly, whatever classes are about; plain re-estimation would not."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tinylcm.core.adapt.restandardise import ClassMoments, Correction, class_moments, match_to_mix
from tinylcm.core.classify.transform import fit_transform_parameters
from tinylcm.errors import InputError

NAMES = ("bag", "coat", "dress")
CENTRES = np.random.default_rng(0).normal(size=(3, 6)) * 4
GAIN = np.linspace(0.5, 2.0, 6)
SHIFT = np.linspace(-3.0, 3.0, 6)


def draw(rng: np.random.Generator, counts: tuple[int, int, int]) -> tuple[NDArray[np.float64], list[str]]:
    numbers = np.repeat(np.arange(3), counts)
    return CENTRES[numbers] + rng.normal(size=(len(numbers), 6)), [NAMES[number] for number in numbers]


@pytest.fixture(scope="module")
def moments() -> ClassMoments:
    return class_moments(*draw(np.random.default_rng(1), (4000, 4000, 4000)))


@pytest.mark.parametrize("counts", [(1000, 1000, 1000), (2800, 150, 50), (0, 3000, 0)])
def test_a_changed_sensor_is_undone_under_any_mix(
    moments: ClassMoments, counts: tuple[int, int, int]
) -> None:
    clean, _ = draw(np.random.default_rng(2), counts)
    mix = dict(zip(NAMES, (count / 3000 for count in counts), strict=True))
    correction = match_to_mix(clean * GAIN + SHIFT, moments, mix)
    restored = (clean * GAIN + SHIFT - correction.offset) / correction.scale
    assert np.abs(restored - clean).mean() < 0.12
    np.testing.assert_allclose(correction.scale, GAIN, rtol=0.08)


def test_the_wrong_mix_moves_the_classes(moments: ClassMoments) -> None:
    """Why the mix matters: plain re-standardising assumes the reference's own."""
    clean, _ = draw(np.random.default_rng(2), (0, 3000, 0))
    even = match_to_mix(clean, moments, dict.fromkeys(NAMES, 1 / 3))
    right = match_to_mix(clean, moments, {"coat": 1.0})
    assert np.abs((clean - even.offset) / even.scale - clean).mean() > 1.0
    assert np.abs((clean - right.offset) / right.scale - clean).mean() < 0.1


def test_an_unchanged_sensor_is_left_alone(moments: ClassMoments) -> None:
    clean, _ = draw(np.random.default_rng(3), (1000, 1000, 1000))
    correction = match_to_mix(clean, moments, dict.fromkeys(NAMES, 1.0))
    np.testing.assert_allclose(correction.scale, 1.0, atol=0.06)
    np.testing.assert_allclose(correction.offset, 0.0, atol=0.2)


def test_mixed_moments_are_those_of_the_mixed_samples() -> None:
    rng = np.random.default_rng(4)
    embeddings, labels = draw(rng, (500, 300, 200))
    mean, variance = class_moments(embeddings, labels).mixed(
        {"bag": 0.5, "coat": 0.3, "dress": 0.2, "new": 9.0}
    )
    np.testing.assert_allclose(mean, embeddings.mean(axis=0))
    np.testing.assert_allclose(variance, embeddings.var(axis=0))


def test_the_corrected_transform_equals_correcting_first(moments: ClassMoments) -> None:
    embeddings, _ = draw(np.random.default_rng(5), (100, 100, 100))
    transform = fit_transform_parameters(embeddings, 4)
    correction = Correction(scale=GAIN, offset=SHIFT)
    seen = (embeddings * GAIN + SHIFT).astype(np.float32)
    np.testing.assert_allclose(
        correction.applied_to(transform).apply_many(seen), transform.apply_many(embeddings), atol=1e-4
    )


def test_the_identity_changes_no_bit() -> None:
    embeddings, _ = draw(np.random.default_rng(5), (100, 100, 100))
    transform = fit_transform_parameters(embeddings, 4)
    identity = Correction.identity(6)
    assert identity.is_identity
    assert np.array_equal(
        identity.applied_to(transform).apply_many(embeddings), transform.apply_many(embeddings)
    )
    assert not Correction(scale=GAIN, offset=SHIFT).is_identity


def test_dimensions_without_belief_are_moved_but_not_rescaled(moments: ClassMoments) -> None:
    clean, _ = draw(np.random.default_rng(6), (1000, 1000, 1000))
    clean[:, 0] = 7.0
    clean[:, 1] *= 50
    correction = match_to_mix(clean, moments, dict.fromkeys(NAMES, 1.0))
    assert correction.scale[0] == correction.scale[1] == 1.0
    restored = (clean - correction.offset) / correction.scale
    np.testing.assert_allclose(restored.mean(axis=0)[:2], moments.means.mean(axis=0)[:2], atol=0.1)


def test_a_window_or_mix_that_says_nothing_is_refused(moments: ClassMoments) -> None:
    with pytest.raises(InputError, match="two or more"):
        match_to_mix(np.zeros((1, 6)), moments, {"bag": 1.0})
    with pytest.raises(InputError, match="expected a share"):
        match_to_mix(np.zeros((5, 6)), moments, {"unheard of": 1.0})
