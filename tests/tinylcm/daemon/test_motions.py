"""The whole device on windows of a motion sensor: fitted on both arms of five persons, worn by a sixth.

Nothing here is a picture; extractor, projection, classifier and monitors are those of the camera.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from demo.motions import Recording, load_motions, unseen, write_stream
from demo.sensor_faults import SENSOR_FAULTS
from tinylcm.adapters.bundle import read_manifest_unchecked
from tinylcm.daemon.__main__ import main

MODEL = Path(__file__).resolve().parents[3] / "models" / "motion_cnn" / "model.tflite"
WEARER = 9
HARMFUL = ("upside-down", "swapped-axes", "gain3", "bias3", "noise3", "dead-gyroscope")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle made from the sessions of the other persons."""
    folder = tmp_path_factory.mktemp("motions")
    others = [recording for recording in unseen(load_motions()) if recording.person != WEARER]
    reference = write_stream(folder / "reference.npz", others)
    keys = ["--private", folder / "release.key.pem", "--public", folder / "release.pub.pem"]
    run("bundle", "keygen", *keys)
    learned = ["--images", reference, "--extractor", MODEL, "--capacity", 1000]
    run("fit", *learned, "--name", "motions", "--key", keys[1], "--out", folder / "motions.bundle")
    return folder


def run(*words: object) -> None:
    assert main([str(word) for word in words]) == 0


def arm(side: str) -> list[Recording]:
    """Everything the wearer did with one arm."""
    return [item for item in unseen(load_motions()) if (item.person, item.side) == (WEARER, side)]


def replay(folder: Path, stream: list[Recording], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    path = write_stream(folder / "stream.npz", stream)
    bundle = ["--bundle", folder / "motions.bundle", "--trust", folder / "release.pub.pem"]
    capsys.readouterr()
    run("replay", path, *bundle, "--out", folder / "report.html")
    summary: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return summary


def test_the_bundle_states_the_accuracy_on_recordings_it_does_not_hold(folder: Path) -> None:
    metrics = read_manifest_unchecked(folder / "motions.bundle")["metrics"]
    assert 0.7 < metrics["reference_accuracy"] < 0.9  # 0.94 if windows of the same recording had a vote


def test_the_monitors_are_calm_on_recordings_of_a_new_person(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = replay(folder, arm("left") + arm("right"), capsys)
    assert summary["frame_count"] == 1000
    assert len(summary["drifts"]) <= 1
    assert summary["drifting_share"] < 0.05
    assert summary["accuracy"] > 0.7


@pytest.mark.parametrize("name", HARMFUL)
def test_a_fault_of_the_sensor_is_noticed(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    healthy = arm("left")
    faulty = [replace(item, samples=SENSOR_FAULTS[name](item.samples, rng)) for item in arm("right")]
    begin = sum(len(item.windows()) for item in healthy)
    summary = replay(folder, healthy + faulty, capsys)
    found = [drift for drift in summary["drifts"] if drift["detect_index"] >= begin]
    assert found
    assert found[0]["detect_index"] - begin < 250
    assert found[0]["cause"] != "PRIOR_SHIFT"
    assert len(summary["drifts"]) - len(found) <= 1
