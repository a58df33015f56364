"""A device that works alone: `tinylcm run` in mode AUTONOMOUS, real pictures and the real model.

Recordings are shown in parts, so that it can be stopped in the middle of its probation.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from numpy.typing import NDArray

from demo.corruptions import CORRUPTIONS
from demo.dataset import load_subset
from demo.processes import Program
from demo.scenario import NOVEL_CLASS, UNUSED_CLASSES, Phase, write_labelled, write_recording
from tests.reliability.device_home import write_configuration
from tests.support.waiting import eventually
from tests.tinylcm.builders import KEY
from tests.tinylcm.daemon.conftest import DeviceFolder
from tests.tinylcm.sync.test_packing import read, unpack_content
from tinylcm.adapters.snapshots import SnapshotFolder
from tinylcm.daemon.status import read_status
from tinymlops.v1 import adaptation_pb2, package_pb2

ROOT = Path(__file__).resolve().parents[2]
DEVICE_ID = "camera-1"
PATIENCE_S = 120
UNDRIFTED_COUNT = 400
DRIFTED_COUNT = 500
UNDER_PROBATION_COUNT = 300
"""After so many drifted frames the probation, 200 frames long, goes on: of eight seeds each commits at 175 to 206."""
NARROWED_COUNT = 200
REPEATED_COUNT = 160
"""Drifted frames that were all classified before the correction."""
Arrays = Mapping[str, NDArray[np.generic]]


def tell_stream() -> dict[str, Phase]:
    """Undrifted pictures of the known classes, then others that have lost contrast, and the first of these again.

    "narrowed" are those of a single class among them: no correction for the mix from before the drift holds there.
    """
    subset = load_subset()
    images, labels = subset.split("stream")
    names = np.array([subset.class_names[label] for label in labels])
    rng = np.random.default_rng(0)
    rows = rng.permutation(np.flatnonzero(~np.isin(names, [NOVEL_CLASS, *UNUSED_CLASSES])))
    rows = rows[: UNDRIFTED_COUNT + DRIFTED_COUNT]
    shown = images[rows]
    shown[UNDRIFTED_COUNT:] = CORRUPTIONS["contrast1"](shown[UNDRIFTED_COUNT:], rng)

    def phase(name: str, start: int, stop: int) -> Phase:
        return Phase(
            name=name, images=shown[start:stop, ..., None], truth=tuple(map(str, names[rows[start:stop]]))
        )

    drifted = np.arange(UNDRIFTED_COUNT, len(rows))
    single = np.resize(drifted[names[rows[drifted]] == names[rows[UNDRIFTED_COUNT]]], NARROWED_COUNT)
    narrowed = Phase(
        name="narrowed", images=shown[single, ..., None], truth=tuple(map(str, names[rows[single]]))
    )
    middle = UNDRIFTED_COUNT + UNDER_PROBATION_COUNT
    return {
        "undrifted": phase("undrifted", 0, UNDRIFTED_COUNT),
        "drifted": phase("drifted", UNDRIFTED_COUNT, middle),
        "drifted-on": phase("drifted-on", middle, len(rows)),
        "narrowed": narrowed,
        "repeated": phase("repeated", UNDRIFTED_COUNT, UNDRIFTED_COUNT + REPEATED_COUNT),
    }


def fit_bundle(folder: Path) -> Path:
    """What `tinylcm fit` makes of the committed pictures."""
    reference = write_labelled(load_subset(), "reference", folder / "reference.npz")
    key, bundle = folder / "key.pem", folder / "fashion.bundle"
    key.write_bytes(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    command = [sys.executable, "-m", "tinylcm.daemon", "fit", "--name", "fashion", "--key", str(key)]
    command += ["--images", str(reference), "--out", str(bundle)]
    command += ["--extractor", str(ROOT / "models" / "fashion_cnn" / "model.tflite")]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return bundle


class LoneDevice:
    """`tinylcm run` in mode AUTONOMOUS, what it is shown, and what its folder says of it."""

    def __init__(self, folder: Path, bundle: Path, stream: Mapping[str, Phase]) -> None:
        self._home = DeviceFolder(folder, bundle)
        self._home.tables = {
            "device": {"device_id": DEVICE_ID, "data_dir": "state", "mode": "AUTONOMOUS"},
            "source": {"path": "inbox", "at_end": "wait"},
            "model": {"trusted_keys": ["release.pub.pem"]},
            "snapshots": {"every_frame_count": 25},
        }
        self._home.install()
        self._stream = stream
        self.truth: list[str] = []
        self.program = self._program()

    def _program(self) -> Program:
        configuration = write_configuration(self._home)
        arguments = ["run", "--config", str(configuration)]
        return Program("tinylcm", "tinylcm.daemon", arguments, log_folder=self._home.folder / "logs")

    def configure(self, **tables: Mapping[str, object]) -> None:
        """Changes its configuration, while it does not run."""
        self._home.tables |= {name: dict(values) for name, values in tables.items()}
        self.program = self._program()

    def show(self, *names: str) -> None:
        """Puts parts of the stream before it."""
        for name in names:
            phase = self._stream[name]
            write_recording(phase, self._home.inbox, len(list(self._home.inbox.iterdir())))
            self.truth += phase.truth

    def wait_until(self, state: str, *, all_seen: bool = True) -> dict[str, Any]:
        """Waits until its newest adaptation is in a state, and its log has all frames; returns its status."""

        def look() -> dict[str, Any] | None:
            self.program.require_running()
            status = read_status(self._home.settings())
            has_come = [one["state"] for one in status["adaptations"]][-1:] == [state]
            has_seen = not all_seen or len(self.predictions()) == len(self.truth)
            return status if has_come and has_seen else None

        return eventually(look, timeout_s=PATIENCE_S, every_s=0.1)

    def predictions(self) -> dict[int, str]:
        """Label by frame, from its prediction log; the later line counts."""
        lines = [
            json.loads(line)
            for path in sorted(self._home.state.glob("predictions*.jsonl*"), reverse=True)
            for line in path.read_text().splitlines(keepends=True)
            if line.endswith("\n")
        ]
        return {line["source_index"]: line["label"] for line in lines}

    def hits(self, start: int, count: int) -> float:
        """Share of frames from ``start`` that it classified as the truth says."""
        found = self.predictions()
        return float(np.mean([found[index] == self.truth[index] for index in range(start, start + count)]))

    def snapshot(self) -> tuple[dict[str, Any], Arrays]:
        """The pipeline's newest state."""
        [folder] = (self._home.state / "snapshots").iterdir()
        stored = SnapshotFolder(folder).load_newest()
        assert stored is not None
        return dict(stored[1]["pipeline"]), stored[2]

    def packages(self) -> list[tuple[package_pb2.PackageManifest, dict[str, bytes]]]:
        """What waits in its outbox, whole, in no order."""
        return [
            unpack_content(path.read_bytes()) for path in (self._home.state / "outbox" / "packages").iterdir()
        ]

    def outbox_bytes(self) -> int:
        """Size of all packages on disk."""
        return sum(path.stat().st_size for path in (self._home.state / "outbox" / "packages").iterdir())

    def lineage(self) -> list[adaptation_pb2.Adaptation]:
        """Every adaptation that waits to be told, by the time it was decided."""
        files = [files["adaptations.pb"] for _, files in self.packages() if "adaptations.pb" in files]
        found = [one for content in files for one in read(content, adaptation_pb2.Adaptation)]
        return sorted(found, key=lambda one: one.decide_time.ToNanoseconds())
