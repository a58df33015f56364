"""Reads the signed manifest of a bundle, field by field. The format: docs/bundle.md."""

import json
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tinysphere.distribution.archive import bundle_invalid
from tinysphere.domain.models import InputTensor

FORMAT_VERSION = 1
MODEL_NAME = re.compile(r"[a-z0-9_-]{1,64}")

_MAX_COUNTER = 2**63 - 1
_MAX_SHORT_CHARACTERS = 64
_MAX_TEXT_CHARACTERS = 256

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a bundle says of itself; fields as in `tinysphere.domain.models.Bundle`.

    Attributes:
        files: Size in bytes and SHA-256 of each content file by name.
    """

    model_name: str
    release_counter: int
    feature_space: str
    class_names: tuple[str, ...]
    input: InputTensor
    runtime: str
    platforms: tuple[str, ...]
    metrics: Mapping[str, float]
    files: Mapping[str, tuple[int, str]]


def read_manifest(content: bytes) -> Manifest:
    """Read a manifest whose signature was checked. Unknown fields are ignored.

    Raises:
        InvalidRequestError: BUNDLE_INVALID, a field is missing or out of range.
    """
    stated = parse_object("manifest.json", content)
    if stated.get("format_version") != FORMAT_VERSION:
        raise bundle_invalid(f"format_version: expected {FORMAT_VERSION}")
    model_name = text_in(stated, "model_name")
    if not MODEL_NAME.fullmatch(model_name):
        raise bundle_invalid("model_name: expected 1 to 64 characters of [a-z0-9_-]")
    return Manifest(
        model_name=model_name,
        release_counter=_integer(stated, "release_counter", minimum=1),
        feature_space=text_in(stated, "feature_space"),
        class_names=_names(stated, "class_names"),
        input=_input(_object(stated, "input")),
        runtime=text_in(stated, "runtime"),
        platforms=_names(stated, "platforms"),
        metrics=_metrics(_object(stated, "metrics")),
        files=_files(_object(stated, "files")),
    )


def parse_object(file_name: str, content: bytes) -> Json:
    """Parse a JSON object.

    Raises:
        InvalidRequestError: BUNDLE_INVALID, it is none.
    """
    try:
        parsed = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise bundle_invalid(f"{file_name}: expected JSON in UTF-8") from error
    if not isinstance(parsed, dict):
        raise bundle_invalid(f"{file_name}: expected a JSON object")
    return parsed


def text_in(stated: Json, name: str) -> str:
    """A field that is short text.

    Raises:
        InvalidRequestError: BUNDLE_INVALID, it is none.
    """
    return _text(name, stated.get(name), _MAX_TEXT_CHARACTERS)


def _text(name: str, value: object, maximum: int) -> str:
    # Databases store neither NUL nor half a surrogate pair, which JSON can write.
    if isinstance(value, str) and 1 <= len(value) <= maximum and "\0" not in value:
        try:
            value.encode()
        except UnicodeEncodeError:
            pass
        else:
            return value
    raise bundle_invalid(f"{name}: expected text of 1 to {maximum} characters")


def _names(stated: Json, name: str) -> tuple[str, ...]:
    values = stated.get(name)
    if not isinstance(values, list):
        raise bundle_invalid(f"{name}: expected a list")
    names = tuple(_text(name, value, _MAX_SHORT_CHARACTERS) for value in values)
    if len(set(names)) != len(names):
        raise bundle_invalid(f"{name}: expected each name once")
    return names


def _input(stated: Json) -> InputTensor:
    shape = stated.get("shape")
    if not isinstance(shape, list) or not all(type(size) is int and size > 0 for size in shape):
        raise bundle_invalid("input.shape: expected a list of sizes above 0")
    return InputTensor(shape=tuple(shape), dtype=text_in(stated, "dtype"))


def _metrics(stated: Json) -> Mapping[str, float]:
    return {_text("metrics", name, _MAX_SHORT_CHARACTERS): _number(name, stated[name]) for name in stated}


def _number(name: str, value: object) -> float:
    if type(value) is int or type(value) is float:
        with suppress(OverflowError):  # an integer beyond any float
            if math.isfinite(number := float(value)):
                return number
    raise bundle_invalid(f"metrics.{name[:_MAX_SHORT_CHARACTERS]}: expected a finite number")


def _files(stated: Json) -> Mapping[str, tuple[int, str]]:
    return {name: _file(_object(stated, name)) for name in stated}


def _file(stated: Json) -> tuple[int, str]:
    return _integer(stated, "size_bytes", minimum=0), text_in(stated, "sha256")


def _object(stated: Json, name: str) -> Json:
    value = stated.get(name)
    if not isinstance(value, dict):
        raise bundle_invalid(f"{name[:_MAX_SHORT_CHARACTERS]}: expected an object")
    return value


def _integer(stated: Json, name: str, *, minimum: int) -> int:
    value = stated.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not minimum <= value <= _MAX_COUNTER:
        raise bundle_invalid(f"{name}: expected a whole number from {minimum}")
    return value
