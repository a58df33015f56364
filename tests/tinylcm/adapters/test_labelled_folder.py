"""Labelled samples in a folder: pictures, arrays and recordings, told from what is none of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.tinylcm.builders import labelled_images
from tinylcm.adapters.labelled_folder import LabelledFolder
from tinylcm.adapters.png import PngEncoder
from tinylcm.errors import InputError

SHAPE = (8, 8, 1)


@pytest.fixture
def images() -> NDArray[np.uint8]:
    return labelled_images(6)[0]


def write_png(path: Path, content: NDArray[np.uint8]) -> None:
    image = PngEncoder().encode(content)
    assert image is not None
    path.write_bytes(image.content)


def test_samples_come_in_the_order_of_classes_and_names(tmp_path: Path, images: NDArray[np.uint8]) -> None:
    for name in ("coat", "bag", ".trash"):
        (tmp_path / name).mkdir()
    write_png(tmp_path / "bag" / "1.png", images[0])
    np.save(tmp_path / "bag" / "2.npy", images[1])
    (tmp_path / "bag" / ".hidden.txt").touch()
    np.savez(tmp_path / "coat" / "stream.npz", frames=images[2:5])

    folder = LabelledFolder(tmp_path, images.shape[1:])
    assert folder.labels() == ("bag", "bag", "coat", "coat", "coat")
    np.testing.assert_array_equal(np.stack(list(folder.read(0))), images[:5])
    np.testing.assert_array_equal(np.stack(list(folder.read(3))), images[3:5])
    assert folder.recordings() is None


def test_a_picture_is_brought_to_the_shape_of_the_model(tmp_path: Path) -> None:
    (tmp_path / "grey").mkdir()
    write_png(tmp_path / "grey" / "wide.png", np.full((20, 40, 1), 77, dtype=np.uint8))
    (content,) = LabelledFolder(tmp_path, (10, 10, 3)).read(0)
    assert content.shape == (10, 10, 3)
    assert (content == 77).all()


def text(folder: Path) -> None:
    (folder / "bag" / "notes.txt").write_text("no sample", encoding="utf-8")


def beside(folder: Path) -> None:
    np.save(folder / "stray.npy", np.zeros(SHAPE, np.uint8))


def nested(folder: Path) -> None:
    (folder / "bag" / "more.npy").mkdir()


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (text, r"bag/notes\.txt: expected a file"),
        (beside, r"stray\.npy stands beside"),
        (nested, r"bag/more\.npy"),
    ],
)
def test_what_is_no_sample_is_refused_by_name(
    tmp_path: Path, spoil: Callable[[Path], None], told: str
) -> None:
    (tmp_path / "bag").mkdir()
    spoil(tmp_path)
    with pytest.raises(InputError, match=told):
        LabelledFolder(tmp_path, SHAPE)


@pytest.mark.parametrize("name", ["1.png", "1.npy", "1.npz"])
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "bag").mkdir()
    (tmp_path / "bag" / name).write_bytes(b"garbage")
    folder = LabelledFolder(tmp_path, SHAPE)
    with pytest.raises(InputError, match=re.escape(name)):
        list(folder.read(0))


def test_an_array_that_would_run_code_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bag").mkdir()
    np.save(tmp_path / "bag" / "1.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"1\.npy"):
        list(LabelledFolder(tmp_path, SHAPE).read(0))


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no samples"):
        LabelledFolder(tmp_path, SHAPE)
