"""A device alone: the real process, real pictures and the real model, and for most of its life no server at all.

A camera's contrast falls. The device notices, corrects for it without a label, watches the correction, and keeps it,
also when it is killed meanwhile. Recordings are shown in parts, so that it stops in the middle of its probation.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from numpy.typing import NDArray

from demo.corruptions import CORRUPTIONS
from demo.dataset import load_subset
from demo.processes import Program
from demo.scenario import NOVEL_CLASS, UNUSED_CLASSES, Phase, write_labelled, write_recording
from demo.server import TIMEOUT_S, Server
from tests.e2e.conftest import StartServer
from tests.reliability.device_home import write_configuration
from tests.support.waiting import eventually
from tests.tinylcm.builders import KEY
from tests.tinylcm.daemon.conftest import DeviceFolder
from tests.tinylcm.sync.test_packing import read, unpack_content
from tinylcm.adapters.snapshots import SnapshotFolder
from tinylcm.daemon.status import read_status
from tinylcm.pipeline.packing import unnested
from tinymlops.v1 import adaptation_pb2, adaptation_service_pb2, package_pb2

ROOT = Path(__file__).resolve().parents[2]
DEVICE_ID = "camera-1"
PATIENCE_S = 120
UNDRIFTED_COUNT = 400
DRIFTED_COUNT = 500
UNDER_PROBATION_COUNT = 300
"""Drifted frames after which the correction stands and its probation, 200 frames, goes on, whatever the seed."""
REPEATED_COUNT = 160
"""Drifted frames that were all classified before the correction, whatever the seed."""
LEAST_GAIN = 0.05
KIND = "SENSOR_CORRECTION"
Arrays = Mapping[str, NDArray[np.generic]]


@pytest.fixture(scope="module")
def stream() -> dict[str, Phase]:
    """Undrifted pictures of the known classes, then others that have lost contrast, and the first of these again."""
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

    middle = UNDRIFTED_COUNT + UNDER_PROBATION_COUNT
    return {
        "undrifted": phase("undrifted", 0, UNDRIFTED_COUNT),
        "drifted": phase("drifted", UNDRIFTED_COUNT, middle),
        "drifted-on": phase("drifted-on", middle, len(rows)),
        "repeated": phase("repeated", UNDRIFTED_COUNT, UNDRIFTED_COUNT + REPEATED_COUNT),
    }


@pytest.fixture(scope="module")
def fashion_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `tinylcm fit` makes of the committed pictures."""
    folder = tmp_path_factory.mktemp("fashion")
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


@pytest.fixture
def device(tmp_path: Path, fashion_bundle: Path, stream: dict[str, Phase]) -> Iterator[LoneDevice]:
    device = LoneDevice(tmp_path, fashion_bundle, stream)
    yield device
    device.program.stop()


def lineage_in(device: LoneDevice) -> list[adaptation_pb2.Adaptation]:
    """Every adaptation that waits to be told, by the time it was decided."""
    files = [files["adaptations.pb"] for _, files in device.packages() if "adaptations.pb" in files]
    found = [one for content in files for one in read(content, adaptation_pb2.Adaptation)]
    return sorted(found, key=lambda one: one.decide_time.ToNanoseconds())


def correction(arrays: Arrays) -> list[float]:
    """What the device undoes before it classifies: scales, then offsets."""
    return [value for name in ("scale", "offset") for value in arrays[f"learned.correction.{name}"].tolist()]


def test_alone_it_mends_itself_and_tells_of_it_in_a_bounded_outbox(device: LoneDevice) -> None:
    max_bytes = 1 << 16  # the least that a configuration may say, and less than the samples need
    device.configure(
        outbox={"max_bytes": max_bytes}, adaptation={"evidence_sample_count": 120}, metrics={"every_s": 1.0}
    )
    device.program.start()
    device.show("undrifted", "drifted", "drifted-on", "repeated")
    status = device.wait_until("CONFIRMED")
    device.program.stop()

    assert status["mode"] == "AUTONOMOUS"
    assert [(one["kind"], one["state"]) for one in status["adaptations"]] == [(KIND, "CONFIRMED")]
    repeated = len(device.truth) - REPEATED_COUNT
    before, after = device.hits(UNDRIFTED_COUNT, REPEATED_COUNT), device.hits(repeated, REPEATED_COUNT)
    assert after >= before + LEAST_GAIN, "the same pictures, before and after the correction"

    told = lineage_in(device)
    assert [one.state for one in told] == [
        adaptation_pb2.ADAPTATION_STATE_COMMITTED,
        adaptation_pb2.ADAPTATION_STATE_CONFIRMED,
    ]
    assert {one.adaptation_id for one in told} == {status["adaptations"][0]["adaptation_id"]}
    assert {len(one.sample_ids) for one in told} == {len(told[0].sample_ids)} != {0}
    assert 0 < device.outbox_bytes() <= max_bytes
    assert status["outbox"]["evicted_count"] > 0, "samples go, the lineage stays"


def test_killed_on_probation_it_goes_on_and_applies_nothing_twice(device: LoneDevice) -> None:
    device.program.start()
    device.show("undrifted", "drifted")
    device.wait_until("COMMITTED", all_seen=False)
    device.program.kill()  # frames are still coming
    killed, applied = device.snapshot()
    assert killed["probation"]["frames_left"] > 0

    device.program.start()
    device.wait_until("COMMITTED")
    device.program.kill()
    frames_left = device.snapshot()[0]["probation"]["frames_left"]
    assert 0 < frames_left <= killed["probation"]["frames_left"]

    device.program.start()
    device.show("drifted-on")
    device.wait_until("CONFIRMED")
    device.program.stop()

    ended, arrays = device.snapshot()
    assert (ended["probation"], ended["adaptation_count"]) == (None, 1)
    assert correction(arrays) == correction(applied), "once applied, never again"
    assert correction(applied) != correction(unnested("probation.before", applied)), "which is still kept"
    assert [one["adaptation_id"] for one in ended["lineage"]["records"]] == [
        killed["probation"]["adaptation"]["adaptation_id"]
    ]
    states = Counter(one.state for one in lineage_in(device))
    assert states == {
        adaptation_pb2.ADAPTATION_STATE_COMMITTED: 1,
        adaptation_pb2.ADAPTATION_STATE_CONFIRMED: 1,
    }


def test_a_server_given_later_hears_of_what_it_did_alone(
    device: LoneDevice, start_server: StartServer
) -> None:
    device.program.start()
    device.show("undrifted", "drifted")
    device.wait_until("COMMITTED")
    device.program.stop()
    [alone] = lineage_in(device)

    server = start_server()
    device.configure(server={f"{name}_target": address for name, address in server.addresses.items()})
    device.program.start()
    [committed] = eventually(lambda: told_to(server), timeout_s=PATIENCE_S)
    assert_same(committed, alone)

    device.show("drifted-on")
    device.wait_until("CONFIRMED")
    [confirmed] = eventually(
        lambda: [one for one in told_to(server) if one.state != committed.state], timeout_s=PATIENCE_S
    )
    assert confirmed.adaptation_id == committed.adaptation_id
    assert confirmed.state == adaptation_pb2.ADAPTATION_STATE_CONFIRMED
    assert confirmed.effect.stream_sample_count > 0
    [event] = eventually(lambda: [one for one in server.events_of(DEVICE_ID) if one.recovery_index])
    assert event.drift_event_id == confirmed.drift_event_id
    eventually(lambda: counts_agree(device, server), timeout_s=PATIENCE_S)


def told_to(server: Server) -> list[adaptation_pb2.Adaptation]:
    request = adaptation_service_pb2.ListAdaptationsRequest(device_id=DEVICE_ID)
    return list(server.adaptations.ListAdaptations(request, timeout=TIMEOUT_S).adaptations)


def assert_same(told: adaptation_pb2.Adaptation, alone: adaptation_pb2.Adaptation) -> None:
    """What the server lists is what waited in the outbox, but for its own time."""
    told.ClearField("receive_time")
    assert told == alone


def counts_agree(device: LoneDevice, server: Server) -> bool:
    """The device's packages and frames since it has a server, by its counters, and what the server has of them."""
    counters = server.device(DEVICE_ID).counters
    packages = server.packages_of(DEVICE_ID)
    frames = len(device.truth) - UNDRIFTED_COUNT - UNDER_PROBATION_COUNT
    return not device.packages() and (counters.package_count, counters.prediction_count) == (
        len(packages),
        frames,
    )
