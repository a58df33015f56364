"""The extractor computes what the model says, whatever the model's types."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from numpy.typing import NDArray

from tinylcm.adapters.tflite import TfliteExtractor, find_engine
from tinylcm.errors import BundleError, InputError
from tools.models.tiny_tflite import float_model, forward, int8_model, random_layers

LAYERS = random_layers((16, 12, 6), seed=3)
SHAPE = (1, 4, 4, 1)
PIXELS = np.random.default_rng(5).integers(0, 256, (40, 4, 4, 1)).astype(np.uint8)
EXPECTED = forward(LAYERS, PIXELS.reshape(40, 16).astype(np.float32) / 255)


@pytest.fixture(scope="module")
def float_extractor() -> TfliteExtractor:
    return TfliteExtractor(float_model(LAYERS, input_shape=SHAPE))


@pytest.fixture(scope="module")
def int8_extractor() -> TfliteExtractor:
    return TfliteExtractor(
        int8_model(LAYERS, PIXELS.reshape(40, 16).astype(np.float32) / 255, input_shape=SHAPE)
    )


def embed(extractor: TfliteExtractor, contents: NDArray[np.generic]) -> NDArray[np.float32]:
    return np.stack([extractor.extract(content) for content in contents])


def test_pixels_go_into_a_float_model_as_shares_of_255(float_extractor: TfliteExtractor) -> None:
    np.testing.assert_allclose(embed(float_extractor, PIXELS), EXPECTED, atol=1e-5)
    as_float = PIXELS.astype(np.float32) / 255
    np.testing.assert_allclose(embed(float_extractor, as_float), EXPECTED, atol=1e-5)


def test_an_int8_model_gives_dequantised_floats(int8_extractor: TfliteExtractor) -> None:
    embeddings = embed(int8_extractor, PIXELS)

    assert embeddings.dtype == np.float32
    assert np.abs(embeddings - EXPECTED).max() < 0.1 * np.ptp(EXPECTED)
    as_float = PIXELS.astype(np.float32) / 255
    np.testing.assert_array_equal(embed(int8_extractor, as_float), embeddings)


def test_what_it_says_of_itself(float_extractor: TfliteExtractor) -> None:
    model = float_model(LAYERS, input_shape=SHAPE)

    assert float_extractor.feature_space == hashlib.sha256(model).hexdigest()
    assert float_extractor.runtime == find_engine()[1]
    assert float_extractor.runtime.split(" ")[0] in ("ai-edge-litert", "tflite-runtime")
    assert (float_extractor.input_shape, float_extractor.input_dtype) == ((4, 4, 1), "float32")


@pytest.mark.parametrize(
    "content",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((1, 4, 4, 1), np.uint8),
        np.zeros((5, 4, 1), np.uint8),
        np.zeros(0, np.uint8),
        np.zeros((4, 4, 1), np.int64),
        np.zeros((4, 4, 1), np.float64),
        np.full((4, 4, 1), np.nan, np.float32),
        np.full((4, 4, 1), np.inf, np.float32),
    ],
)
def test_other_frames_are_refused_and_leave_no_trace(
    int8_extractor: TfliteExtractor, content: NDArray[np.generic]
) -> None:
    before = int8_extractor.extract(PIXELS[0])

    with pytest.raises(InputError, match="frame: expected"):
        int8_extractor.extract(content)
    np.testing.assert_array_equal(int8_extractor.extract(PIXELS[0]), before)


@pytest.mark.parametrize("model", [b"", b"no model", b"\x1c\0\0\0TFL3" + bytes(64)])
def test_other_files_are_refused(model: bytes) -> None:
    with pytest.raises(BundleError):
        TfliteExtractor(model)
