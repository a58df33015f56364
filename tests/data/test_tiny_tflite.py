"""Hand-written TFLite files run in LiteRT and compute what NumPy computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from tools.models.tiny_tflite import DenseLayer, float_model, forward, int8_model, random_layers

SIZES = (192, 32, 16)  # a sensor window of 3 axes x 64 readings, to 16 dimensions


@pytest.fixture
def windows() -> NDArray[np.float32]:
    return np.random.default_rng(1).uniform(-1, 1, (100, SIZES[0])).astype(np.float32)


def run(model: bytes, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Outputs of the model, quantised and dequantised as its tensors say."""
    interpreter = Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    taken, given = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    outputs = []
    for row in inputs:
        interpreter.set_tensor(taken["index"], quantised(row, taken).reshape(taken["shape"]))
        interpreter.invoke()
        raw = interpreter.get_tensor(given["index"])[0].astype(np.float32)
        scale, zero_point = given["quantization"]
        outputs.append((raw - zero_point) * scale if scale else raw)
    return np.stack(outputs)


def quantised(row: NDArray[np.float32], tensor: dict[str, Any]) -> NDArray[np.generic]:
    scale, zero_point = tensor["quantization"]
    return np.clip(np.rint(row / scale) + zero_point, -128, 127).astype(np.int8) if scale else row


def test_a_float_model_is_exact(windows: NDArray[np.float32]) -> None:
    layers = random_layers(SIZES, seed=0)
    np.testing.assert_allclose(run(float_model(layers), windows), forward(layers, windows), atol=1e-5)


def test_an_int8_model_is_close(windows: NDArray[np.float32]) -> None:
    layers = random_layers(SIZES, seed=0)
    expected = forward(layers, windows)
    outputs = run(int8_model(layers, windows), windows)
    assert np.corrcoef(outputs.ravel(), expected.ravel())[0, 1] > 0.999
    assert np.abs(outputs - expected).max() < 0.05 * (expected.max() - expected.min())


def test_relu_is_applied_where_it_is_asked_for(windows: NDArray[np.float32]) -> None:
    weights = np.eye(4, SIZES[0], dtype=np.float32)
    layer = DenseLayer(weights=weights, bias=np.zeros(4, dtype=np.float32), relu=True)
    outputs = run(float_model([layer]), windows)
    np.testing.assert_array_equal(outputs, np.maximum(windows[:, :4], 0))
    assert run(int8_model([layer], windows), windows).min() == 0


def test_a_picture_shaped_input_gives_the_same_as_a_row() -> None:
    images = np.random.default_rng(2).uniform(0, 1, (20, 64)).astype(np.float32)
    layers, shape = random_layers((64, 8), seed=3), (1, 8, 8, 1)
    pairs = [
        (float_model(layers, input_shape=shape), float_model(layers)),
        (int8_model(layers, images, input_shape=shape), int8_model(layers, images)),
    ]
    for as_picture, as_row in pairs:
        np.testing.assert_array_equal(run(as_picture, images), run(as_row, images))


def test_the_same_seed_gives_the_same_bytes_and_few_of_them(windows: NDArray[np.float32]) -> None:
    first, second = (int8_model(random_layers(SIZES, seed=5), windows) for _ in range(2))
    assert first == second
    assert first != int8_model(random_layers(SIZES, seed=6), windows)
    assert len(first) < 9_000
    assert first[4:8] == b"TFL3"


def test_it_loads_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(float_model(random_layers((64, 4), seed=0)))
    interpreter = Interpreter(model_path=str(path))
    assert interpreter.get_input_details()[0]["shape"].tolist() == [1, 64]
    assert interpreter.get_output_details()[0]["shape"].tolist() == [1, 4]


def test_wrong_shapes_are_refused(windows: NDArray[np.float32]) -> None:
    layers = random_layers(SIZES, seed=0)
    with pytest.raises(ValueError, match="32 outputs do not fit 192 inputs"):
        float_model([layers[0], layers[0]])
    with pytest.raises(ValueError, match="one row of 192 values"):
        float_model(layers, input_shape=(1, 8, 8, 1))
    with pytest.raises(ValueError, match="at least one layer"):
        float_model([])
    with pytest.raises(ValueError, match="representative"):
        int8_model(layers, windows[:0])
