"""JSON and arrays as bytes: same values, same bytes, and nothing in them can run."""

import io
import json
import zipfile
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tinylcm.errors import StateError
from tinylcm.ports import Arrays, Json

_EPOCH = (1980, 1, 1, 0, 0, 0)
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical_json(value: Json) -> bytes:
    """UTF-8, keys sorted, no white space, no NaN.

    Raises:
        ValueError: A number is not finite.
    """
    return b"".join(_pieces(value))


def _pieces(value: object) -> Iterator[bytes]:
    """Encodes objects member by member: the encoder holds every token of what it is given until the end."""
    if isinstance(value, dict) and value and all(isinstance(name, str) for name in value):
        for number, name in enumerate(sorted(value)):
            yield b",%b:" % _encoded(name) if number else b"{%b:" % _encoded(name)
            yield from _pieces(value[name])
        yield b"}"
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for number, item in enumerate(value):
            yield b",%b" % _encoded(item) if number else b"[%b" % _encoded(item)
        yield b"]"
    else:
        yield _encoded(value)


def _encoded(value: object) -> bytes:
    return _ENCODER.encode(value).encode()


def pack_arrays(arrays: Arrays) -> bytes:
    """An uncompressed .npz whose members stand in the order of their names and carry no time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(arrays[name]), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _EPOCH), member.getvalue())
    return buffer.getvalue()


def unpack_arrays(content: bytes) -> dict[str, NDArray[np.generic]]:
    """Reads what `pack_arrays` wrote.

    Raises:
        StateError: It is not such a file.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise StateError(f"arrays are damaged: {error}") from error


def parse_json(content: bytes) -> Json:
    """Reads a JSON object.

    Raises:
        StateError: It is none.
    """
    try:
        value = json.loads(content)
    except ValueError as error:
        raise StateError(f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise StateError(f"expected a JSON object, got {type(value).__name__}")
    return value
