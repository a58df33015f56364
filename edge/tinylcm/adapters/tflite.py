"""The extractor: a TFLite model, run by LiteRT or by its predecessor tflite-runtime.

A frame of uint8 is a picture: its values stand for ``pixel / 255``. A frame of float32 holds the values themselves.
Both are brought to what the model takes (uint8, int8 or float32); embeddings are always dequantised float32.
"""

import hashlib
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinylcm.errors import BundleError, InputError
from tinylcm.records import FloatVector

_ENGINES = (("ai_edge_litert", "ai-edge-litert"), ("tflite_runtime", "tflite-runtime"))
_INPUT_TYPES = (np.uint8, np.int8, np.float32)
_PIXEL = np.dtype(np.uint8)


def find_engine() -> tuple[Any, str]:
    """Returns the Interpreter class of the installed engine, and the engine's name and version.

    Raises:
        BundleError: No engine is installed.
    """
    for module_name, package_name in _ENGINES:
        try:
            module = import_module(f"{module_name}.interpreter")
        except ImportError:
            continue
        return module.Interpreter, f"{package_name} {version(package_name)}"
    raise BundleError("no TFLite engine is installed; install tinymlops[edge]")


class TfliteExtractor:
    """One model and its interpreter; not safe for threads."""

    def __init__(self, model: bytes, *, thread_count: int = 1) -> None:
        """Loads a model.

        Raises:
            BundleError: The engine refuses the model, or it has not one input and one output that suit.
        """
        interpreter_class, runtime = find_engine()
        self._runtime = runtime
        try:
            self._interpreter = interpreter_class(model_content=model, num_threads=thread_count)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise BundleError(f"{self._runtime} refuses the model: {error}") from error
        self._feature_space = hashlib.sha256(model).hexdigest()
        self._input = _only(self._interpreter.get_input_details(), "input")
        self._output = _only(self._interpreter.get_output_details(), "output")
        self._input_tensor = self._interpreter.tensor(self._input["index"])
        self._output_tensor = self._interpreter.tensor(self._output["index"])
        self._scale, self._zero_point = map(np.float32, self._output["quantization"])
        self._shape = tuple(int(size) for size in self._input["shape"][1:])
        self._dtype: np.dtype[Any] = np.dtype(self._input["dtype"])
        if self._dtype.type not in _INPUT_TYPES:
            raise BundleError(f"the model takes {self._dtype}; expected uint8, int8 or float32")
        self._pixel_values = self._to_input(np.arange(256, dtype=np.float32) / np.float32(255))
        self._flipped_bits = _flipped_bits(self._pixel_values)

    @property
    def feature_space(self) -> str:
        """SHA-256 of the model, 64 lower-case hex digits."""
        return self._feature_space

    @property
    def runtime(self) -> str:
        """Engine and version, e.g. "ai-edge-litert 2.3.0"."""
        return self._runtime

    @property
    def engine(self) -> str:
        """The engine without its version; embeddings of another one must not be compared."""
        return self._runtime.split(" ")[0]

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of a frame's content, without the batch dimension."""
        return self._shape

    @property
    def input_dtype(self) -> str:
        """NumPy name of the type the model takes."""
        return str(self._dtype.name)

    def extract(self, content: NDArray[np.generic]) -> FloatVector:
        """Returns the embedding, ``(d,) float32``.

        Raises:
            InputError: ``content`` has another shape or dtype than the model, or is not finite.
        """
        if content.shape != self._shape:
            raise InputError(f"frame: expected shape {self._shape}, got {content.shape}")
        self._feed(content)
        self._interpreter.invoke()
        raw = self._output_tensor().reshape(-1)  # a view: the model writes there again with the next frame
        if not self._scale:
            return np.array(raw, dtype=np.float32)
        embedding: FloatVector = np.subtract(raw, self._zero_point, dtype=np.float32)
        embedding *= self._scale
        return embedding

    def _feed(self, content: NDArray[np.generic]) -> None:
        """Writes a frame where the model reads it; pixels in one go, without a copy between."""
        if content.dtype == _PIXEL and self._flipped_bits is not None:
            np.bitwise_xor(content, self._flipped_bits, out=self._input_tensor().view(_PIXEL))
        else:
            self._interpreter.set_tensor(self._input["index"], self._convert(content)[None])

    def _convert(self, content: NDArray[np.generic]) -> NDArray[Any]:
        if content.dtype == np.uint8:
            return np.asarray(self._pixel_values[content])
        if content.dtype != np.float32:
            raise InputError(f"frame: expected uint8 or float32, got {content.dtype}")
        if not np.isfinite(content).all():
            raise InputError("frame: expected finite values, got NaN or infinity")
        return self._to_input(content)

    def _to_input(self, values: NDArray[Any]) -> NDArray[Any]:
        scale, zero_point = self._input["quantization"]
        if self._dtype == np.float32 or not scale:
            return values.astype(self._dtype)
        limits = np.iinfo(self._dtype)
        steps = np.rint(values / np.float32(scale)) + zero_point
        return np.asarray(np.clip(steps, limits.min, limits.max).astype(self._dtype))


def _flipped_bits(pixel_values: NDArray[Any]) -> np.uint8 | None:
    """The bits that make a pixel what the model takes, usually none or the highest; None when it takes a table.

    Flipping bits costs microseconds a frame, a table a tenth of a millisecond for 100 x 100 x 3 pixels.
    """
    if pixel_values.dtype.itemsize != 1:
        return None
    pixels = np.arange(256, dtype=np.uint8)
    for bits in (np.uint8(0), np.uint8(0x80)):
        if ((pixels ^ bits).view(pixel_values.dtype) == pixel_values).all():
            return bits
    return None


def _only(tensors: list[dict[str, Any]], role: str) -> dict[str, Any]:
    if len(tensors) != 1:
        raise BundleError(f"the model has {len(tensors)} {role}s; expected one")
    if tensors[0]["shape"][0] != 1:
        raise BundleError(f"the model's {role} has batch size {tensors[0]['shape'][0]}; expected 1")
    return tensors[0]
