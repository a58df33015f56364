"""Fashion-MNIST for the demonstration, the tests and the benchmarks: the committed subset and the full set.

Source: Xiao, Rasul and Vollgraf (2017), "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
Algorithms", arXiv:1708.07747. MIT licence, see ``data/fashion_mnist/LICENSE``.
"""

from __future__ import annotations

import gzip
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

CLASS_NAMES = (
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle-boot",
)
SUBSET_PATH = Path(__file__).resolve().parents[1] / "data" / "fashion_mnist" / "subset.npz"
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")

_IDX_UINT8 = 0x08


class LabelledImages(NamedTuple):
    """Images ``(n, 28, 28) uint8`` and their class numbers ``(n,) uint8``."""

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class FullSet:
    """All 60,000 training and 10,000 test images, in the order of the publisher's files."""

    train: LabelledImages
    test: LabelledImages
    class_names: tuple[str, ...] = CLASS_NAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class Subset:
    """The committed images, each in exactly one split.

    ``split_ids`` number into ``split_names``; ``source_indices`` are positions in the publisher's training file
    (reference, calibration) or test file (stream, holdout), so that anyone can check what was used where.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    split_ids: NDArray[np.uint8]
    source_indices: NDArray[np.int32]
    split_names: tuple[str, ...]
    class_names: tuple[str, ...]

    def split(self, name: str) -> LabelledImages:
        """Images and labels of one split, in stored (shuffled) order.

        Raises:
            KeyError: there is no split of that name.
        """
        member = self.split_ids == self._split_id(name)
        return LabelledImages(self.images[member], self.labels[member])

    def source_indices_of(self, name: str) -> NDArray[np.int32]:
        """Positions of a split's images in the publisher's file, ``(n,) int32``, in the order of `split`."""
        return np.asarray(self.source_indices[self.split_ids == self._split_id(name)])

    def _split_id(self, name: str) -> int:
        if name not in self.split_names:
            raise KeyError(f"no split {name!r}; there are {', '.join(self.split_names)}")
        return self.split_names.index(name)


def load_subset(path: Path | None = None) -> Subset:
    """Read the committed subset.

    Raises:
        FileNotFoundError: the file is missing; ``python -m tools.models.fashion_mnist`` writes it.
    """
    with np.load(path or SUBSET_PATH, allow_pickle=False) as stored:
        return Subset(
            images=stored["images"],
            labels=stored["labels"],
            split_ids=stored["split"],
            source_indices=stored["source_index"],
            split_names=tuple(str(name) for name in stored["split_names"]),
            class_names=tuple(str(name) for name in stored["class_names"]),
        )


def load_full(folder: Path = DEBIAN_FOLDER) -> FullSet:
    """Read the full set from the Debian package ``dataset-fashion-mnist`` (or a folder with the same four files).

    Raises:
        FileNotFoundError: the package is not installed.
        ValueError: a file is not the IDX file it should be.
    """
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{folder} is missing; install it with: apt-get install dataset-fashion-mnist"
        )
    return FullSet(train=_read_pair(folder, "train"), test=_read_pair(folder, "t10k"))


def _read_pair(folder: Path, prefix: str) -> LabelledImages:
    images = read_idx(folder / f"{prefix}-images-idx3-ubyte.gz")
    labels = read_idx(folder / f"{prefix}-labels-idx1-ubyte.gz")
    if images.ndim != 3 or len(images) != len(labels):
        raise ValueError(f"{prefix}: {images.shape} images do not match {labels.shape} labels")
    return LabelledImages(images, labels)


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read a gzipped IDX file of unsigned bytes: 0, 0, type, rank, big-endian uint32 sizes, data.

    Raises:
        ValueError: the header is wrong or the data do not fill the declared shape.
    """
    content = gzip.decompress(path.read_bytes())
    if len(content) < 4 or content[:3] != bytes((0, 0, _IDX_UINT8)):
        raise ValueError(f"{path.name}: not an IDX file of unsigned bytes (starts with {content[:4].hex()})")
    rank = content[3]
    shape = struct.unpack_from(f">{rank}I", content, 4)
    values = np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * rank)
    if values.size != np.prod(shape):
        raise ValueError(f"{path.name}: {values.size} bytes where the shape {shape} needs {np.prod(shape)}")
    return values.reshape(shape)
