"""Run an extractor through LiteRT, as a device does: images or sensor windows in, dequantised embeddings out."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def runtime_name() -> str:
    """The runtime that computes the embeddings; two runtimes may differ by a few quantisation steps."""
    return f"ai-edge-litert {version('ai-edge-litert')}"


class Extractor:
    """A TFLite model that returns a vector for one picture or one window of a sensor."""

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(model_path=str(path), num_threads=threads)
        self._interpreter.allocate_tensors()
        self.input: dict[str, Any] = self._interpreter.get_input_details()[0]
        self.output: dict[str, Any] = self._interpreter.get_output_details()[0]

    @property
    def signature_input(self) -> str:
        """The input's name in the default signature, which the quantiser asks for."""
        return str(self._interpreter.get_signature_list()["serving_default"]["inputs"][0])

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed grey images ``(n, height, width) uint8``; returns ``(n, d) float32``."""
        return np.stack([self._embed_one(image) for image in self.to_input(images)])

    def embed_windows(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embed sensor windows ``(n, steps, channels) float32``; returns ``(n, d) float32``."""
        return np.stack([self._embed_one(window) for window in _quantise(windows, self.input)])

    def to_input(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """Enlarge to the model's size (nearest, whole factors), repeat the grey channel, quantise pixel / 255."""
        _, height, width, channels = self.input["shape"]
        factors = height // images.shape[1], width // images.shape[2]
        pixels = (
            images.repeat(factors[0], axis=1).repeat(factors[1], axis=2)[..., None].repeat(channels, axis=3)
        )
        if pixels.shape[1:3] != (height, width):
            raise ValueError(f"{images.shape[1:]} images do not fit {height} x {width} by a whole factor")
        return _quantise(pixels.astype(np.float32) / np.float32(255.0), self.input)

    def _embed_one(self, content: NDArray[Any]) -> NDArray[np.float32]:
        self._interpreter.set_tensor(self.input["index"], content[None])
        self._interpreter.invoke()
        raw = self._interpreter.get_tensor(self.output["index"]).reshape(-1)
        scale, zero_point = self.output["quantization"]
        if not scale:
            return np.asarray(raw, dtype=np.float32)
        return np.asarray((raw.astype(np.float32) - zero_point) * scale, dtype=np.float32)


def _quantise(values: NDArray[np.float32], tensor: dict[str, Any]) -> NDArray[Any]:
    scale, zero_point = tensor["quantization"]
    if not scale:
        return values
    limits = np.iinfo(tensor["dtype"])
    steps = np.rint(values / scale) + zero_point
    return np.asarray(np.clip(steps, limits.min, limits.max), dtype=tensor["dtype"])
