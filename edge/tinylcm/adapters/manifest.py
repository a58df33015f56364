"""What a bundle says of itself; docs/bundle.md describes it field by field."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tinylcm.errors import BundleError
from tinylcm.ports import Json

FORMAT_VERSION = 1
FILE_NAMES = ("extractor.tflite", "state.json", "state.npz")

_SHA256 = re.compile(r"[0-9a-f]{64}")
_MODEL_NAME = re.compile(r"[a-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleFile:
    """Digest and size of one file of a bundle."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleManifest:
    """The signed part of a bundle.

    Attributes:
        release_counter: Grows with every release of a model, from 1; devices refuse a lower one than seen.
        feature_space: SHA-256 of ``extractor.tflite``.
        class_names: Classes the classifier starts with, in order.
        input_shape: Shape of a frame's content, without the batch dimension.
        input_dtype: NumPy name of the extractor's input, e.g. "uint8".
        runtime: Engine that made the embeddings of the state, e.g. "ai-edge-litert 2.3.0". Engines round
            differently, so a device with another engine refuses the bundle.
        platforms: Machines (`uname -m`) the bundle is meant for; empty for any.
        metrics: Figures measured when the bundle was made.
        files: The other members, by name.
    """

    model_name: str
    release_counter: int
    feature_space: str
    class_names: tuple[str, ...]
    input_shape: tuple[int, ...]
    input_dtype: str
    runtime: str
    platforms: tuple[str, ...]
    metrics: Mapping[str, float]
    files: Mapping[str, BundleFile]

    @property
    def engine(self) -> str:
        """Name of the engine without its version."""
        return self.runtime.split(" ")[0]

    def to_json(self) -> Json:
        """Returns the manifest as a JSON object."""
        return {
            "format_version": FORMAT_VERSION,
            "model_name": self.model_name,
            "release_counter": self.release_counter,
            "feature_space": self.feature_space,
            "class_names": list(self.class_names),
            "input": {"shape": list(self.input_shape), "dtype": self.input_dtype},
            "runtime": self.runtime,
            "platforms": list(self.platforms),
            "metrics": dict(self.metrics),
            "files": {
                name: {"sha256": file.sha256, "size_bytes": file.size_bytes}
                for name, file in self.files.items()
            },
        }

    @classmethod
    def from_json(cls, value: Json) -> "BundleManifest":
        """Reads a manifest and checks every field.

        Raises:
            BundleError: A field is missing, of another type or out of range; the message names it.
        """
        if value.get("format_version") != FORMAT_VERSION:
            found = value.get("format_version")
            raise BundleError(f"bundle format {found!r}; this device reads version {FORMAT_VERSION}")
        shape = _field(value, "input", dict)
        return cls(
            model_name=_matching(value, "model_name", _MODEL_NAME),
            release_counter=_at_least_one(value, "release_counter"),
            feature_space=_matching(value, "feature_space", _SHA256),
            class_names=_texts(value, "class_names"),
            input_shape=_shape(shape),
            input_dtype=_field(shape, "dtype", str),
            runtime=_field(value, "runtime", str),
            platforms=_texts(value, "platforms"),
            metrics=_metrics(value),
            files=_files(value),
        )


def _field(value: Mapping[str, Any], name: str, expected: type[Any]) -> Any:
    found = value.get(name)
    if type(found) is not expected:
        raise BundleError(f"manifest: {name} must be {expected.__name__}, got {type(found).__name__}")
    return found


def _matching(value: Mapping[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    text: str = _field(value, name, str)
    if not pattern.fullmatch(text):
        raise BundleError(f"manifest: {name} must match {pattern.pattern}, got {text[:80]!r}")
    return text


def _at_least_one(value: Mapping[str, Any], name: str) -> int:
    number: int = _field(value, name, int)
    if number < 1:
        raise BundleError(f"manifest: {name} must be 1 or more, got {number}")
    return number


def _texts(value: Mapping[str, Any], name: str) -> tuple[str, ...]:
    items = _field(value, name, list)
    if not all(isinstance(item, str) and 1 <= len(item) <= 64 for item in items):
        raise BundleError(f"manifest: {name} must be texts of 1 to 64 characters")
    if len(set(items)) != len(items):
        raise BundleError(f"manifest: {name} names something twice")
    return tuple(items)


def _shape(value: Mapping[str, Any]) -> tuple[int, ...]:
    shape = _field(value, "shape", list)
    if not all(type(size) is int and size > 0 for size in shape):
        raise BundleError(f"manifest: input.shape must be positive whole numbers, got {shape!r:.80}")
    return tuple(shape)


def _metrics(value: Mapping[str, Any]) -> dict[str, float]:
    metrics = _field(value, "metrics", dict)
    for name, number in metrics.items():
        if type(number) not in (int, float):
            raise BundleError(f"manifest: metrics.{name} must be a number")
    return {name: float(number) for name, number in metrics.items()}


def _files(value: Mapping[str, Any]) -> dict[str, BundleFile]:
    files = _field(value, "files", dict)
    if set(files) != set(FILE_NAMES):
        raise BundleError(f"manifest: files must be {', '.join(FILE_NAMES)}; got {sorted(files)!r:.200}")
    return {name: _file(name, files) for name in FILE_NAMES}


def _file(name: str, files: Mapping[str, Any]) -> BundleFile:
    entry = _field(files, name, dict)
    size_bytes = _field(entry, "size_bytes", int)
    if size_bytes < 0:
        raise BundleError(f"manifest: files.{name}.size_bytes is negative")
    return BundleFile(sha256=_matching(entry, "sha256", _SHA256), size_bytes=size_bytes)
