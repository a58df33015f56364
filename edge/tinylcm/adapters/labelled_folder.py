"""A folder of labelled samples: one folder a class, named as the class, with its samples as files."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinylcm.adapters.recording import open_recording
from tinylcm.adapters.sources.picture import Fit, find_opencv, fit_picture
from tinylcm.errors import InputError

_PICTURES = (".png", ".jpg", ".jpeg", ".bmp")
_ARRAY, _RECORDING = ".npy", ".npz"


class LabelledFolder:
    """Samples in the order of classes and file names; names that begin with a dot are passed over.

    A picture is one sample, its middle brought to the model's shape; a ``.npy`` file holds one sample as the model
    takes it, a ``.npz`` file those of a recording.
    """

    def __init__(self, path: Path, input_shape: tuple[int, ...]) -> None:
        """Lists the folder.

        Args:
            path: The folder.
            input_shape: What the model takes, which pictures are brought to.

        Raises:
            InputError: It holds no samples, or a file that is none.
        """
        self.path = path
        self._input_shape = input_shape
        self._files = [(folder.name, file) for folder in _visible(path) for file in _samples_of(folder)]
        if not self._files:
            raise InputError(
                f"{path.name} holds no samples; expected a folder for each class, with files in it"
            )

    def labels(self) -> tuple[str, ...]:
        """Returns the class of every sample.

        Raises:
            InputError: A recording cannot be read.
        """
        return tuple(
            label
            for label, file in self._files
            for _ in range(open_recording(file).frame_count if file.suffix == _RECORDING else 1)
        )

    def recordings(self) -> None:
        """Nobody told which samples were taken together."""

    def read(self, first_index: int) -> Iterator[NDArray[np.generic]]:
        """Yields the samples from ``first_index`` on.

        Raises:
            InputError: A file cannot be read; the message names it.
        """
        for index, content in enumerate(self._contents()):
            if index >= first_index:
                yield content

    def _contents(self) -> Iterator[NDArray[np.generic]]:
        for label, file in self._files:
            if file.suffix == _RECORDING:
                yield from open_recording(file).read(0)
                continue
            try:
                if file.suffix == _ARRAY:
                    yield np.load(file, allow_pickle=False)
                else:
                    yield read_picture(file, self._input_shape)
            except (OSError, ValueError, EOFError) as error:
                raise InputError(f"{label}/{file.name}: {error}") from error


def read_picture(file: Path, input_shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Returns a picture, its middle brought to the model's shape.

    Raises:
        OSError, ValueError: It cannot be read.
    """
    cv2 = find_opencv()
    picture = cv2.imdecode(np.frombuffer(file.read_bytes(), np.uint8), cv2.IMREAD_ANYCOLOR)
    if picture is None:
        raise ValueError("it is no picture that can be read")
    return fit_picture(cv2, picture, input_shape, Fit.CROP)


def _samples_of(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise InputError(f"{folder.name} stands beside the classes; expected it in the folder of its class")
    files = _visible(folder)
    known = (*_PICTURES, _ARRAY, _RECORDING)
    for file in files:
        if file.suffix not in known or not file.is_file():
            raise InputError(f"{folder.name}/{file.name}: expected a file that ends in {', '.join(known)}")
    return files


def _visible(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
