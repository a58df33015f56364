"""The command line: from nothing to a running device, and through `kill -9` to the same end."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.sphere import FakeSphere
from tests.tinylcm.builders import labelled_images, novel_images, tiny_model
from tests.tinylcm.daemon.conftest import DeviceFolder
from tests.tinylcm.daemon.test_service import labels, samples_at, wait_for
from tinylcm.daemon.__main__ import main
from tinylcm.daemon.machine import resident_bytes

MAX_RSS_BYTES = 100 << 20


@pytest.fixture
def made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A folder with keys, labelled pictures, an extractor and the bundle `tinylcm fit` made of them."""
    images, names = labelled_images(120)
    np.savez(tmp_path / "reference.npz", images=images[..., 0], labels=np.array(names))
    (tmp_path / "model.tflite").write_bytes(tiny_model())
    keygen = [
        "bundle",
        "keygen",
        "--private",
        f"{tmp_path}/keys/key.pem",
        "--public",
        f"{tmp_path}/keys/pub.pem",
    ]
    assert main(keygen) == 0
    assert main(fit_arguments(tmp_path)) == 0
    capsys.readouterr()
    return tmp_path


def fit_arguments(folder: Path, *, images: str = "reference.npz", out: str = "tiny.bundle") -> list[str]:
    return [
        *("fit", "--images", f"{folder}/{images}", "--extractor", f"{folder}/model.tflite"),
        *("--name", "tiny", "--key", f"{folder}/keys/key.pem", "--components", "4"),
        *("--budget-predictions", "1000", "--out", f"{folder}/{out}"),
    ]


def output(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    value = json.loads(capsys.readouterr().out)
    assert isinstance(value, dict)
    return value


def test_fit_gives_the_same_bundle_again(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(fit_arguments(made, out="again.bundle")) == 0

    assert (made / "again.bundle").read_bytes() == (made / "tiny.bundle").read_bytes()
    told = output(capsys)
    assert told["metrics"]["reference_accuracy"] > 0.9  # type: ignore[index]  # JSON
    assert told["metrics"]["reference_sample_count"] == 120  # type: ignore[index]  # JSON


def test_fit_takes_a_folder_of_samples(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images, names = labelled_images(120)
    for index, (image, name) in enumerate(zip(images, names, strict=True)):
        (made / "samples" / name).mkdir(parents=True, exist_ok=True)
        np.save(made / "samples" / name / f"{index:03}.npy", image)
    order = sorted(range(len(names)), key=lambda row: (names[row], row))
    np.savez(made / "sorted.npz", images=images[order][..., 0], labels=np.array(names)[order])

    assert main(fit_arguments(made, images="samples", out="folder.bundle")) == 0
    assert main(fit_arguments(made, images="sorted.npz", out="sorted.bundle")) == 0
    assert (made / "folder.bundle").read_bytes() == (made / "sorted.bundle").read_bytes()


def test_a_bundle_is_inspected_verified_and_released_anew(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle, public = f"{made}/tiny.bundle", f"{made}/keys/pub.pem"
    assert main(["bundle", "inspect", bundle]) == 0
    assert output(capsys)["class_names"] == ["row-0", "row-1", "row-2"]

    newer = ["bundle", "build", bundle, "--trust", public, "--key", f"{made}/keys/key.pem"]
    assert main([*newer, "--release-counter", "7", "--out", f"{made}/newer.bundle"]) == 0
    capsys.readouterr()
    assert main(["bundle", "verify", f"{made}/newer.bundle", "--trust", public]) == 0
    assert output(capsys)["release_counter"] == 7

    (made / "newer.bundle").write_bytes(b"rotten")
    assert main(["bundle", "verify", f"{made}/newer.bundle", "--trust", public]) == 1


def test_init_writes_a_configuration_that_works(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = made / "device" / "tinylcm.toml"
    assert main(["init", "--config", str(config), "--device-id", "camera-7"]) == 0
    assert tomllib.loads(config.read_text())["device"]["device_id"] == "camera-7"
    config.write_text(config.read_text().replace("trusted_keys = []", 'trusted_keys = ["../keys/pub.pem"]'))
    assert main(["init", "--config", str(config), "--bundle", f"{made}/tiny.bundle"]) == 0
    capsys.readouterr()

    assert main(["status", "--config", str(config)]) == 0
    status = output(capsys)
    assert status["device_id"] == "camera-7"
    assert status["model"]["model_name"] == "tiny"  # type: ignore[index]  # JSON
    assert (status["snapshot"], status["outbox"]) == (None, None)


def test_faults_are_told_without_a_traceback(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (made / "bad.toml").write_text('[device]\ndevice_id = "X"\n')
    assert main(["run", "--config", f"{made}/bad.toml"]) == 2
    told = capsys.readouterr().err
    assert "device.device_id" in told
    assert "source.path" in told

    np.savez(made / "unnamed.npz", images=np.zeros((3, 4, 4)), labels=np.array([0, 1, 5]))
    assert main(fit_arguments(made, images="unnamed.npz")) == 1
    assert "class_names" in capsys.readouterr().err


class Daemon:
    """`tinylcm run` as its own process."""

    def __init__(self, home: DeviceFolder, *arguments: str) -> None:
        self._config = home.folder / "device.toml"
        self._config.write_text(_as_toml(home.tables))
        self._log = (home.folder / "daemon.log").open("ab")
        command = [sys.executable, "-m", "tinylcm.daemon", "run", "--config", str(self._config), *arguments]
        self.process = subprocess.Popen(command, stdout=self._log, stderr=self._log)

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        try:
            return self.process.wait(60)
        finally:
            self.process.kill()
            self._log.close()


def _as_toml(tables: dict[str, dict[str, object]]) -> str:
    lines = []
    for name, table in tables.items():
        lines.append(f"[{name}]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in table.items()]
    return "\n".join(lines)


@pytest.fixture
def sphere() -> Iterator[FakeSphere]:
    with FakeSphere() as server:
        yield server


def test_sigterm_leaves_a_consistent_state(home: DeviceFolder, capsys: pytest.CaptureFixture[str]) -> None:
    home.tables["source"] |= {"at_end": "loop"}
    home.install()
    home.record("1", labelled_images(50, seed=2)[0])
    daemon = Daemon(home)
    wait_for(lambda: (home.state / "predictions.jsonl").exists())
    assert daemon.end(signal.SIGTERM) == 0

    predicted = labels(home)
    assert home.open().first_index == len(predicted) == max(predicted) + 1


def test_a_device_killed_again_and_again_loses_and_doubles_nothing(
    home: DeviceFolder, sphere: FakeSphere
) -> None:
    rng = random.Random(5)
    home.tables["source"] |= {"at_end": "stop", "frames_per_second": 60}
    home.serve_from(sphere.address)
    home.install()
    images = np.concatenate([labelled_images(100, seed=11)[0], novel_images(60)])
    home.record("1", images)
    for goal in sorted(rng.sample(range(5, 150), 4)):
        daemon = Daemon(home)
        wait_for(lambda goal=goal: reached(home) >= goal)  # type: ignore[misc]  # bound now, not later
        assert daemon.end(signal.SIGKILL) == -signal.SIGKILL
    assert Daemon(home, "--until-idle").wait() == 0

    assert sorted(labels(home)) == list(range(len(images)))
    moments = sorted((event.start_index, event.detect_index) for event in sphere.drift_events.values())
    assert len(set(moments)) == len(moments) >= 1
    indices = [sample.source_index for sample in samples_at(sphere).values()]
    assert len(set(indices)) == len(indices) >= 12


def reached(home: DeviceFolder) -> int:
    """Highest index in the prediction log, half a line at its end allowed."""
    path = home.state / "predictions.jsonl"
    whole = path.read_bytes().rpartition(b"\n")[0].splitlines() if path.exists() else []
    return max((json.loads(line)["source_index"] for line in whole if line.startswith(b'{"s')), default=-1)


def test_a_running_device_is_small(home: DeviceFolder, sphere: FakeSphere) -> None:
    home.tables["source"] |= {"at_end": "wait"}
    home.serve_from(sphere.address)
    home.install()
    home.record("1", np.concatenate([labelled_images(100, seed=11)[0], novel_images(60)]))
    daemon = Daemon(home)
    sphere.wait_for(lambda: len(samples_at(sphere)) >= 12)
    sphere.wait_for(lambda: sphere.heartbeats[-1].counters.prediction_count == 160)
    daemon.end(signal.SIGTERM)

    assert 0 < sphere.heartbeats[-1].status.memory_bytes < MAX_RSS_BYTES
    assert resident_bytes() > 0
