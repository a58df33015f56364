"""Recorded streams on disk, read frame by frame so that memory stays flat however long they are."""

import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from tinylcm.errors import InputError

IMAGES = "images"
ARRAY_NAMES = ("frames", IMAGES)
_RATE = "frames_per_second"
_LABELS, _CLASS_NAMES, _RECORDINGS = "labels", "class_names", "recordings"
_MAX_FRAME_BYTES = 64 << 20
# RuntimeError: encrypted, or compressed in a way that zipfile does not know, says one flipped bit of the header
_DAMAGE = (OSError, ValueError, EOFError, MemoryError, RuntimeError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A .npz file with an array ``frames`` or ``images``, ``(n, ...)``, C-ordered.

    A frame is one entry as it is; ``images`` of shape ``(n, h, w)`` get a channel, ``(h, w, 1)``.
    ``frames_per_second`` is the file's own rate, or None. Where the truth is known, ``labels (n,)`` tells it: names,
    or numbers into ``class_names``. In a file of several recordings ``recordings (n,)`` tells them apart.
    """

    path: Path
    member: str
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    frames_per_second: float | None

    @property
    def frame_count(self) -> int:
        """Number of frames."""
        return self.shape[0]

    def read(self, first_index: int) -> Iterator[NDArray[np.generic]]:
        """Yields the frames from ``first_index`` on.

        Raises:
            InputError: The file ends early or is damaged.
        """
        is_grey = self.member == f"{IMAGES}.npy" and len(self.shape) == 3
        shape = (*self.shape[1:], 1) if is_grey else self.shape[1:]
        size_bytes = prod(shape) * self.dtype.itemsize
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as stream:
                _read_header(stream)
                stream.seek(first_index * size_bytes, 1)
                for _ in range(first_index, self.frame_count):
                    content = stream.read(size_bytes)
                    yield np.frombuffer(content, self.dtype).reshape(shape)
        except _DAMAGE as error:
            raise InputError(f"{self.path.name} is damaged: {error}") from error

    def labels(self) -> tuple[str, ...] | None:
        """Returns the true label of every frame, or None when the recording does not tell.

        Raises:
            InputError: There is not one label for each frame, one has no name, or the file is damaged.
        """
        labels = self._column(_LABELS, self.frame_count)
        if labels is None:
            return None
        if labels.dtype.kind not in "iu":
            return tuple(map(str, labels))
        class_names = self._column(_CLASS_NAMES, None)
        names = {} if class_names is None else dict(enumerate(map(str, class_names)))
        try:
            return tuple(names[number] for number in labels.tolist())
        except KeyError as error:
            raise InputError(
                f"{self.path.name}: {_LABELS} are numbers, but {_CLASS_NAMES} does not name {error}"
            ) from error

    def recordings(self) -> tuple[str, ...] | None:
        """Returns which recording every frame comes from, or None when the file does not tell.

        Raises:
            InputError: There is not one for each frame, or the file is damaged.
        """
        recordings = self._column(_RECORDINGS, self.frame_count)
        return None if recordings is None else tuple(map(str, recordings))

    def _column(self, name: str, count: int | None) -> NDArray[np.generic] | None:
        """An array ``(count,)`` of the file, or None when it has none of that name."""
        try:
            with zipfile.ZipFile(self.path) as archive:
                if f"{name}.npy" not in archive.namelist():
                    return None
                with archive.open(f"{name}.npy") as stream:
                    column: NDArray[np.generic] = np.lib.format.read_array(stream, allow_pickle=False)
        except _DAMAGE as error:
            raise InputError(f"{self.path.name} is damaged: {error}") from error
        if column.ndim != 1 or count not in (None, len(column)):
            raise InputError(f"{self.path.name}: {name} {column.shape} for {self.frame_count} frames")
        return column


def open_recording(path: Path) -> Recording:
    """Reads the description of a recording, not its frames.

    Raises:
        InputError: The file is no recording.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            member = next(
                (f"{name}.npy" for name in ARRAY_NAMES if f"{name}.npy" in archive.namelist()), None
            )
            if member is None:
                raise InputError(f"{path.name} has no array named {' or '.join(ARRAY_NAMES)}")
            with archive.open(member) as stream:
                shape, dtype = _read_header(stream)
            rate = _read_rate(archive)
    except _DAMAGE as error:
        raise InputError(f"{path.name} is no .npz file: {error}") from error
    if len(shape) < 2 or prod(shape[1:]) * dtype.itemsize > _MAX_FRAME_BYTES:
        raise InputError(f"{path.name}: frames of shape {shape[1:]} {dtype} are not readable")
    return Recording(path=path, member=member, shape=shape, dtype=dtype, frames_per_second=rate)


def _read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, is_fortran_order, dtype = read(stream)
    if is_fortran_order or dtype.hasobject:
        raise ValueError("the array must be C-ordered and hold numbers")
    return shape, dtype


def _read_rate(archive: zipfile.ZipFile) -> float | None:
    if f"{_RATE}.npy" not in archive.namelist():
        return None
    with archive.open(f"{_RATE}.npy") as stream:
        rate = float(np.lib.format.read_array(stream, allow_pickle=False))
    return rate if np.isfinite(rate) and rate > 0 else None
