"""The committed images are what their description says, and none is used twice."""

from __future__ import annotations

import gzip
import hashlib
import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from demo.dataset import (
    DEBIAN_FOLDER,
    SUBSET_PATH,
    FullSet,
    LabelledImages,
    Subset,
    load_full,
    load_subset,
    read_idx,
)
from tests.conftest import Need
from tools.models.fashion_mnist import NOVEL_CLASSES, SPLITS, TRAINING_COUNT, choose_subset, write_subset


@pytest.fixture(scope="module")
def subset() -> Subset:
    return load_subset()


def test_every_split_holds_the_promised_number_of_every_class(subset: Subset) -> None:
    for split in SPLITS:
        counts = np.bincount(subset.split(split.name).labels, minlength=10)
        expected = np.full(10, split.known_count)
        expected[list(NOVEL_CLASSES)] = split.novel_counts
        assert counts.tolist() == expected.tolist(), split.name
    assert len(subset.images) == sum(len(subset.split(split.name).labels) for split in SPLITS) == 6000


def test_images_are_real_pictures(subset: Subset) -> None:
    assert subset.images.shape == (6000, 28, 28)
    assert subset.images.dtype == subset.labels.dtype == np.uint8
    assert subset.class_names[8] == "bag"
    assert (subset.images.reshape(6000, -1).max(axis=1) > 0).all()


def test_no_image_is_in_two_splits_and_none_trained_the_extractor(subset: Subset) -> None:
    used = {
        split.name: (split.source, set(subset.source_indices_of(split.name).tolist())) for split in SPLITS
    }
    for split in SPLITS:
        assert len(used[split.name][1]) == len(subset.split(split.name).labels)
        if split.source == "train":
            assert min(used[split.name][1]) >= TRAINING_COUNT
    for (source, indices), (other_source, other_indices) in combinations(used.values(), 2):
        assert source != other_source or not indices & other_indices


def test_splits_are_shuffled_so_that_a_stream_is_stationary(subset: Subset) -> None:
    labels = subset.split("stream").labels.astype(int)
    assert (np.diff(labels) == 0).mean() < 0.2


def test_an_unknown_split_is_refused_by_name(subset: Subset) -> None:
    with pytest.raises(KeyError, match="no split 'train'"):
        subset.split("train")


def test_the_description_names_the_very_file() -> None:
    description = json.loads(SUBSET_PATH.with_suffix(".json").read_text())
    content = SUBSET_PATH.read_bytes()
    assert description["sha256"] == hashlib.sha256(content).hexdigest()
    assert description["size_bytes"] == len(content) < 4_000_000


def test_the_debian_package_gives_the_committed_subset_again(
    subset: Subset, tmp_path: Path, need: Need
) -> None:
    need("dataset-fashion-mnist", DEBIAN_FOLDER.is_dir(), "apt-get install dataset-fashion-mnist")
    full = load_full()
    for path in (tmp_path / "first.npz", tmp_path / "second.npz"):
        write_subset(choose_subset(full), path)
    assert (tmp_path / "first.npz").read_bytes() == (tmp_path / "second.npz").read_bytes()
    again = load_subset(tmp_path / "first.npz")
    for name in ("images", "labels", "split_ids", "source_indices"):
        np.testing.assert_array_equal(getattr(again, name), getattr(subset, name))
    stream_source = full.test.images[subset.source_indices_of("stream")]
    np.testing.assert_array_equal(stream_source, subset.split("stream").images)


def test_a_missing_package_says_how_to_install_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="apt-get install dataset-fashion-mnist"):
        load_full(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an IDX file"),
        (b"\x00\x00\x0d\x01\x00\x00\x00\x01\x07", "not an IDX file"),
        (b"\x00\x00\x08\x01\x00\x00\x00\x03\x07", "1 bytes where the shape"),
    ],
)
def test_a_damaged_idx_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "labels.gz"
    path.write_bytes(gzip.compress(content))
    with pytest.raises(ValueError, match=message):
        read_idx(path)


def test_too_few_images_of_a_class_are_refused(subset: Subset) -> None:
    small = LabelledImages(subset.images[:100], subset.labels[:100])
    with pytest.raises(ValueError, match="images left, 125 wanted"):
        choose_subset(FullSet(train=small, test=small))
