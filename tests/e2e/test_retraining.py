"""The long way round: people judge what a device cannot name, and the next model, made from that, names it.

The commands are those an operator types: `tinysphere export`, `tinylcm fit`, `tinylcm bundle build`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from demo.processes import Program
from demo.server import PAGE_SIZE, TIMEOUT_S, Server, read_all
from tests.reliability.device_home import make_home, write_configuration
from tests.support.waiting import eventually
from tests.tinylcm.builders import KEY, labelled_images, novel_images, tiny_model
from tests.tinylcm.daemon.conftest import DeviceFolder
from tinymlops.v1 import drift_pb2, drift_service_pb2
from tinysphere.domain.ids import new_id

DEVICE_ID = "camera-1"
PATIENCE_S = 120
KNOWN_COUNT, NOVEL_COUNT, SHOWN_COUNT = 60, 60, 40


@pytest.fixture
def home(tmp_path: Path) -> DeviceFolder:
    """A device that leaves all learning to the server."""
    (tmp_path / "device").mkdir()
    home = make_home(tmp_path / "device")
    home.tables["device"] |= {"data_dir": "state", "mode": "CENTRALIZED"}
    home.tables["source"]["at_end"] = "wait"
    home.install()
    return home


@pytest.fixture
def server(tmp_path: Path, home: DeviceFolder) -> Iterator[Server]:
    server = Server(tmp_path, separate=False, trusted_key=home.folder / "release.pub.pem")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def device(home: DeviceFolder, server: Server, tmp_path: Path) -> Iterator[Program]:
    home.tables["server"] = {f"{name}_target": address for name, address in server.addresses.items()}
    arguments = ["run", "--config", str(write_configuration(home))]
    program = Program("tinylcm", "tinylcm.daemon", arguments, log_folder=tmp_path / "logs")
    program.start()
    yield program
    program.stop()


def test_what_people_judged_is_in_the_next_model(
    tmp_path: Path, home: DeviceFolder, server: Server, device: Program
) -> None:
    home.record("a", np.concatenate([labelled_images(KNOWN_COUNT, seed=11)[0], novel_images(NOVEL_COUNT)]))
    judged = judge_all(server)
    told = run("tinysphere", "export", str(tmp_path / "set"), "--server", server.addresses["drift"])
    assert told.splitlines()[-1].startswith(f"{len(judged)} samples in ")

    release = retrain(tmp_path)
    version = server.publish(release, "tiny")
    assert "novel" in version.class_names
    server.roll_out(version.model)
    digest = version.model.bundle_sha256
    eventually(
        lambda: server.device(DEVICE_ID).status.running_model.bundle_sha256 == digest, timeout_s=PATIENCE_S
    )

    home.record("b", novel_images(SHOWN_COUNT, seed=9))
    frame_count = KNOWN_COUNT + NOVEL_COUNT + SHOWN_COUNT
    eventually(lambda: len(predictions(home)) == frame_count, timeout_s=PATIENCE_S)
    seen = predictions(home)
    assert seen[-SHOWN_COUNT:].count("novel") >= 0.95 * SHOWN_COUNT
    assert "novel" not in seen[: KNOWN_COUNT + NOVEL_COUNT]
    device.require_running()


def judge_all(server: Server) -> list[str]:
    """Names what the device sent from its drift, when it is all there; returns the ids."""

    def look() -> list[drift_pb2.Sample]:
        request = drift_service_pb2.ListSamplesRequest(device_id=DEVICE_ID, page_size=PAGE_SIZE)
        samples = read_all(server.drift.ListSamples, request, "samples")
        return samples if len(samples) >= 10 else []

    samples = eventually(look, timeout_s=PATIENCE_S)
    verdicts = [
        drift_pb2.Verdict(
            verdict_id=new_id(),
            sample_id=sample.sample_id,
            reviewer="ann",
            decision=drift_pb2.DECISION_NEW_LABEL,
            label="novel",
        )
        for sample in samples
        if sample.source_index >= KNOWN_COUNT
    ]
    server.drift.SubmitVerdicts(drift_service_pb2.SubmitVerdictsRequest(verdicts=verdicts), timeout=TIMEOUT_S)
    return [verdict.sample_id for verdict in verdicts]


def retrain(folder: Path) -> Path:
    """From labelled pictures and the exported samples to a bundle with a higher release counter."""
    images, names = labelled_images(120)
    np.savez(folder / "reference.npz", images=images[..., 0], labels=np.array(names))
    (folder / "model.tflite").write_bytes(tiny_model())
    (folder / "key.pem").write_bytes(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    run(
        *("tinylcm.daemon", "fit", "--images", f"{folder}/reference.npz", "--samples", f"{folder}/set"),
        *("--extractor", f"{folder}/model.tflite", "--name", "tiny", "--components", "4"),
        *("--budget-predictions", "2000", "--key", f"{folder}/key.pem", "--out", f"{folder}/draft.bundle"),
    )
    release = folder / "release.bundle"
    run(
        *("tinylcm.daemon", "bundle", "build", f"{folder}/draft.bundle"),
        *("--trust", f"{folder}/device/release.pub.pem", "--key", f"{folder}/key.pem"),
        *("--release-counter", "2", "--out", str(release)),
    )
    return release


def run(*command: str) -> str:
    """Runs a program of ours to its end; returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", *command], check=True, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    return done.stdout


def predictions(home: DeviceFolder) -> list[str]:
    """Labels by frame, from the device's own log."""
    found: dict[int, str] = {}
    for path in sorted(home.state.glob("predictions*.jsonl*"), reverse=True):
        for line in path.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                entry = json.loads(line)
                found[entry["source_index"]] = entry["label"]
    return [found[index] for index in sorted(found)]
