"""The committed extractors are the files their cards describe and as good as the cards say."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from demo.dataset import DEBIAN_FOLDER, Subset, load_full, load_subset
from tests.conftest import Need
from tools.models.card import CARD_FILE, MODEL_FILE, describe_tensor
from tools.models.embedding import Extractor
from tools.models.evaluation import Neighbourhood, auroc, evaluate
from tools.models.fashion_mnist import choose_subset

MODELS_FOLDER = Path(__file__).resolve().parents[2] / "models"
COMMITTED = ("fashion_cnn", "fashion_cnn_3_5", "fashion_cnn_6_9")
# Another processor's kernels may move an int8 value by one step and with it a few of 800 votes.
TOLERANCE = 0.02


def read_card(name: str) -> Any:
    return json.loads((MODELS_FOLDER / name / CARD_FILE).read_text())


@pytest.mark.parametrize("name", COMMITTED)
def test_the_card_names_the_very_file(name: str) -> None:
    card, content = read_card(name), (MODELS_FOLDER / name / MODEL_FILE).read_bytes()
    assert card["sha256"] == hashlib.sha256(content).hexdigest()
    assert card["size_bytes"] == len(content) < 64_000


@pytest.mark.parametrize("name", COMMITTED)
def test_the_card_gives_the_tensors_of_the_file(name: str) -> None:
    card, extractor = read_card(name), Extractor(MODELS_FOLDER / name / MODEL_FILE)
    assert describe_tensor(extractor.input).items() <= card["input"].items()
    assert describe_tensor(extractor.output) == card["output"]
    assert (card["input"]["dtype"], card["output"]["dtype"]) == ("uint8", "int8")


@pytest.mark.parametrize("name", COMMITTED)
def test_raw_pixels_are_the_input(name: str) -> None:
    images = load_subset().images[:3]
    given = Extractor(MODELS_FOLDER / name / MODEL_FILE).to_input(images)
    np.testing.assert_array_equal(given[..., 0], images)


def test_accuracy_and_novelty_are_those_of_the_card() -> None:
    check_figures("fashion_cnn", load_subset())


@pytest.mark.parametrize("name", COMMITTED[1:])
def test_figures_of_the_benchmark_models_are_those_of_their_cards(name: str, need: Need) -> None:
    need("dataset-fashion-mnist", DEBIAN_FOLDER.is_dir(), "apt-get install dataset-fashion-mnist")
    check_figures(name, choose_subset(load_full(), read_card(name)["training"]["novel_class_ids"]))


def check_figures(name: str, subset: Subset) -> None:
    card = read_card(name)
    novel_classes = card["training"]["novel_class_ids"]
    measured: Any = evaluate(Extractor(MODELS_FOLDER / name / MODEL_FILE).embed, subset, novel_classes)
    stated = card["evaluation"]
    assert measured["accuracy"] == pytest.approx(stated["accuracy"], abs=TOLERANCE)
    assert measured["novelty_auroc"] == pytest.approx(stated["novelty_auroc"], abs=TOLERANCE)
    assert measured["accuracy_when_corrupted"] == pytest.approx(
        stated["accuracy_when_corrupted"], abs=2 * TOLERANCE
    )
    assert stated["accuracy"] > 0.85
    assert abs(stated["accuracy"] - stated["accuracy_float"]) < TOLERANCE


def test_every_embedding_dimension_is_alive() -> None:
    extractor = Extractor(MODELS_FOLDER / "fashion_cnn" / MODEL_FILE)
    embeddings = extractor.embed(load_subset().split("reference").images[:200])
    scale = extractor.output["quantization"][0]
    assert embeddings.shape == (200, 64)
    assert (embeddings.std(axis=0) > 4 * scale).all()
    assert np.abs(embeddings / scale).max() <= 128


def test_images_of_another_size_are_refused() -> None:
    extractor = Extractor(MODELS_FOLDER / "fashion_cnn" / MODEL_FILE)
    with pytest.raises(ValueError, match="do not fit 28 x 28"):
        extractor.embed(np.zeros((1, 20, 20), dtype=np.uint8))


def test_auroc_is_the_probability_of_the_right_order() -> None:
    low, high = np.array([1, 2, 3], dtype=np.float32), np.array([2, 4], dtype=np.float32)
    assert auroc(low, high) == pytest.approx((1.5 + 3) / 6)
    assert auroc(high, low) == pytest.approx(1 - auroc(low, high))


def test_reference_images_find_themselves() -> None:
    extractor = Extractor(MODELS_FOLDER / "fashion_cnn" / MODEL_FILE)
    reference = load_subset().split("reference")
    neighbourhood = Neighbourhood.of(extractor.embed, reference)
    predicted, distances = neighbourhood.query(reference.images[:100])
    assert (predicted == reference.labels[:100]).mean() > 0.85
    assert (distances > 0).all()
