"""The committed extractor of sensor windows is the file its card describes and as good as the card says."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from demo.motions import load_motions, unseen
from tools.models.card import CARD_FILE, MODEL_FILE, describe_tensor
from tools.models.embedding import Extractor
from tools.models.motion_evaluation import evaluate_motions

FOLDER = Path(__file__).resolve().parents[2] / "models" / "motion_cnn"
# Another processor's kernels may move an int8 value by one step and with it a few of 6,000 votes.
TOLERANCE = 0.02


@pytest.fixture(scope="module")
def extractor() -> Extractor:
    return Extractor(FOLDER / MODEL_FILE)


@pytest.fixture(scope="module")
def card() -> Any:
    return json.loads((FOLDER / CARD_FILE).read_text())


def test_the_card_names_the_very_file(card: Any) -> None:
    content = (FOLDER / MODEL_FILE).read_bytes()
    assert card["sha256"] == hashlib.sha256(content).hexdigest()
    assert card["size_bytes"] == len(content) < 32_000


def test_the_card_gives_the_tensors_of_the_file(card: Any, extractor: Extractor) -> None:
    assert describe_tensor(extractor.input).items() <= card["input"].items()
    assert describe_tensor(extractor.output) == card["output"]
    assert (card["input"]["shape"], card["output"]["shape"]) == ([1, 50, 6], [1, 32])


def test_accuracy_is_that_of_the_card(card: Any, extractor: Extractor) -> None:
    measured: Any = evaluate_motions(extractor.embed_windows, load_motions())
    stated = card["evaluation"]
    assert measured["accuracy"] == pytest.approx(stated["accuracy"], abs=TOLERANCE)
    assert stated["accuracy"] == pytest.approx(stated["accuracy_float"], abs=TOLERANCE)
    assert stated["accuracy"]["leave_one_recording_out"] > 0.75
    assert measured["reference_count"] <= 1000


def test_every_embedding_dimension_is_alive(extractor: Extractor) -> None:
    windows = np.concatenate([recording.windows(200) for recording in unseen(load_motions())])
    embeddings = extractor.embed_windows(windows)
    assert embeddings.shape == (len(windows), 32)
    assert (embeddings.std(axis=0) > 5 * extractor.output["quantization"][0]).all()
