"""`tinylcm calibrate`: the promise of a bundle derived anew, from the command line to the monitors of a device."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from numpy.typing import NDArray

from tests.tinylcm.builders import KEY, TRUSTED, labelled_images, tiny_model
from tests.tinylcm.bundles import tiny_bundle
from tests.tinylcm.daemon.conftest import DeviceFolder
from tinylcm.adapters.bundle import Bundle, read_bundle
from tinylcm.daemon.__main__ import main

SHIFTS = {"0.5", "1.0", "2.0", "3.0"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of 120 samples with a budget of 2,000, the keys, and four recordings of other light."""
    folder = tmp_path_factory.mktemp("calibrate")
    tiny_bundle(folder / "tiny.bundle")
    private = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(private)
    public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / "pub.pem").write_bytes(public)
    (folder / "model.tflite").write_bytes(tiny_model())
    save(folder / "recorded.npz", *recorded(4))
    return folder


def recorded(count: int) -> tuple[NDArray[np.uint8], list[str], list[str]]:
    """Recordings of 60 pictures, each in light of its own."""
    frames, labels, recordings = [], [], []
    for number in range(count):
        images, names = labelled_images(60, seed=20 + number)
        frames.append(np.minimum(images.astype(int) + 8 * number, 255).astype(np.uint8))
        labels += names
        recordings += [f"day-{number}"] * len(names)
    return np.concatenate(frames), labels, recordings


def save(path: Path, frames: NDArray[Any], labels: list[str], recordings: list[str] | None = None) -> Path:
    arrays: dict[str, Any] = {"frames": frames, "labels": np.array(labels)}
    if recordings is not None:
        arrays["recordings"] = np.array(recordings)
    np.savez(path, **arrays)
    return path


class Told:
    """What the command answered; `summary` is None after a failure."""

    def __init__(self, status: int, out: str, err: str) -> None:
        lines = out.splitlines()
        self.status, self.err = status, err
        self.summary: Any = json.loads(lines[-1]) if lines else None


def calibrate(
    folder: Path, out: Path, capsys: pytest.CaptureFixture[str], *more: object, bundle: str = "tiny.bundle"
) -> Told:
    files = ["--bundle", folder / bundle, "--trust", folder / "pub.pem", "--key", folder / "key.pem"]
    status = main([str(word) for word in ["calibrate", *files, "--out", out, *more]])
    printed = capsys.readouterr()
    return Told(status, printed.out, printed.err)


def read(path: Path) -> Bundle:
    return read_bundle(path, TRUSTED)


def calibration_of(path: Path) -> Any:
    return read(path).meta["calibration"]


def test_the_new_bundle_differs_in_calibration_and_counter_alone(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = calibrate(folder, tmp_path / "new.bundle", capsys, "--budget-predictions", 50_000)
    old, new = read(folder / "tiny.bundle"), read(tmp_path / "new.bundle")
    assert (old.manifest.release_counter, new.manifest.release_counter) == (1, 2)
    assert new.extractor == old.extractor
    assert new.manifest.metrics == old.manifest.metrics
    assert new.arrays.keys() == old.arrays.keys()
    assert all(np.array_equal(new.arrays[name], old.arrays[name]) for name in old.arrays)
    assert [name for name in old.meta if new.meta[name] != old.meta[name]] == ["calibration"]
    assert told.summary["bundle_sha256"] == new.bundle_sha256
    assert told.summary["monitors"] == new.meta["calibration"]["limits"]
    assert told.summary["runtime"] == old.manifest.runtime
    assert (told.summary["budget_predictions"], told.summary["sample_count"]) == (50_000, 120)


def test_table_and_summary_tell_thresholds_slack_and_delays(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = calibrate(folder, tmp_path / "new.bundle", capsys)
    assert "one false alarm in 10,000 predictions, from 120 samples" in told.err
    for name, limits in told.summary["monitors"].items():
        row = next(line for line in told.err.splitlines() if line.startswith(f"{name} "))
        assert f"{limits['threshold']:.2f}" in row
        delays = limits["expected_delays"]
        assert set(delays) == SHIFTS
        assert delays["0.5"] >= delays["1.0"] >= delays["2.0"] >= delays["3.0"] >= 1
    assert told.summary["caveat"] in told.err
    assert "independent" in told.summary["caveat"]


def test_a_device_watches_with_the_new_limits(
    home: DeviceFolder, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home.bundle = tmp_path / "new.bundle"
    told = calibrate(folder, home.bundle, capsys, "--budget-predictions", 50_000)
    home.install()
    engine = home.open().models.engine
    assert engine is not None
    assert engine.pipeline.learned.calibration.budget_predictions == 50_000
    watched = {reading.detector: reading.threshold for reading in engine.pipeline.monitor.readings}
    limits = told.summary["monitors"]
    assert watched
    assert watched == {name: limits[name]["threshold"] for name in watched}


def test_thresholds_and_delays_grow_with_the_budget(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small, large = (
        calibrate(folder, tmp_path / f"{budget}.bundle", capsys, "--budget-predictions", budget).summary
        for budget in (500, 100_000)
    )
    pairs = [(limits, large["monitors"][name]) for name, limits in small["monitors"].items()]
    same_slack = [(less, more) for less, more in pairs if less["slack"] == more["slack"]]
    assert all(less["threshold"] <= more["threshold"] for less, more in same_slack)
    assert sum(less["threshold"] < more["threshold"] for less, more in same_slack) >= 3
    assert sum(less["expected_delays"]["1.0"] < more["expected_delays"]["1.0"] for less, more in pairs) >= 5


def test_the_ground_of_fit_gives_the_calibration_of_fit(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calibrate(folder, tmp_path / "stored.bundle", capsys, "--budget-predictions", 2000)
    assert calibration_of(tmp_path / "stored.bundle") == calibration_of(folder / "tiny.bundle")

    fit = ["fit", "--images", folder / "recorded.npz", "--extractor", folder / "model.tflite"]
    made = ["--name", "tiny", "--key", folder / "key.pem", "--components", 4, "--out", folder / "days.bundle"]
    assert main([str(word) for word in [*fit, *made]]) == 0
    capsys.readouterr()
    days = ["--recordings", folder / "recorded.npz"]
    told = calibrate(folder, tmp_path / "days.bundle", capsys, *days, bundle="days.bundle")
    assert told.status == 0
    assert calibration_of(tmp_path / "days.bundle") == calibration_of(folder / "days.bundle")


def test_recordings_change_what_is_normal(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = calibrate(folder, tmp_path / "stored.bundle", capsys).summary
    told = calibrate(folder, tmp_path / "days.bundle", capsys, "--recordings", folder / "recorded.npz")
    assert (told.summary["recording_count"], told.summary["sample_count"]) == (4, 240)
    assert "from 4 recordings of 240 samples" in told.err
    assert told.summary["caveat"] == ""
    for name, limits in told.summary["monitors"].items():
        assert limits != stored["monitors"][name]
    laws = [calibration_of(tmp_path / f"{name}.bundle")["distance"]["overall"] for name in ("days", "stored")]
    assert laws[0][0] > laws[1][0]


def test_one_recording_promises_nothing_between_recordings(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images, labels = labelled_images(90, seed=31)
    path = save(tmp_path / "one-day.npz", images, labels)
    told = calibrate(folder, tmp_path / "new.bundle", capsys, "--recordings", path)
    assert told.summary["recording_count"] == 1
    assert "nothing is promised between recordings" in told.summary["caveat"]
    assert told.summary["caveat"] in told.err


def test_a_model_made_of_one_recording_cannot_judge_it(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = save(tmp_path / "reference.npz", *labelled_images(120))
    told = calibrate(folder, tmp_path / "new.bundle", capsys, "--recordings", path)
    assert (told.status, told.summary) == (1, None)
    assert "stored samples of two or more recordings, got 1" in told.err
    assert not (tmp_path / "new.bundle").exists()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"frames": np.zeros((3, 5, 5, 1), np.uint8)},
            "number 0: frame: expected shape (4, 4, 1), got (5, 5, 1)",
        ),
        ({"frames": np.full((3, 4, 4, 1), np.nan, np.float32)}, "expected finite values"),
        ({"labels": np.array(["row-0", "boot", "cat"])}, "no class of the model: boot, cat"),
        ({"labels": np.array(["row-0"])}, "labels (1,) for 3 frames"),
        ({"recordings": np.array(["a", "b"])}, "recordings (2,) for 3 frames"),
        ({"frames": np.zeros((0, 4, 4, 1), np.uint8), "labels": np.array([], dtype="U1")}, "no labels"),
        ({"frames": labelled_images(3)[0], "labels": np.array(["row-1"] * 3)}, "labels that no sample has"),
    ],
)
def test_recordings_that_do_not_fit_are_refused_with_the_reason(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arrays: dict[str, Any], message: str
) -> None:
    known = {"frames": np.zeros((3, 4, 4, 1), np.uint8), "labels": np.array(["row-0", "row-1", "row-2"])}
    np.savez(tmp_path / "odd.npz", **(known | arrays))
    told = calibrate(folder, tmp_path / "new.bundle", capsys, "--recordings", tmp_path / "odd.npz")
    assert (told.status, told.summary) == (1, None)
    assert message in told.err
    assert not (tmp_path / "new.bundle").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--budget-predictions", "0"], "budget: expected 1 to 1000000000 predictions, got 0"),
        (["--budget-predictions", "9" * 30], "budget: expected 1 to"),
        (["--release-counter", "1"], "release counter: expected more than the bundle's 1, got 1"),
        (["--key", "missing.pem"], "missing.pem"),
    ],
)
def test_what_cannot_be_promised_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    told = calibrate(folder, tmp_path / "new.bundle", capsys, *more)
    assert (told.status, told.summary) == (1, None)
    assert message in told.err
    assert not (tmp_path / "new.bundle").exists()


def test_recordings_are_not_seen_through_another_engine(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_bundle(folder / "other.bundle", runtime="other-engine 1.0")
    days = ["--recordings", folder / "recorded.npz"]
    told = calibrate(folder, tmp_path / "new.bundle", capsys, *days, bundle="other.bundle")
    assert told.status == 1
    assert "made with other-engine 1.0" in told.err
