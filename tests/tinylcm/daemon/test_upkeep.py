"""What the commands for whoever looks after a device say and do."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.fakes.sphere import FakeSphere
from tests.tinylcm.builders import HandClock
from tests.tinylcm.daemon.conftest import DeviceFolder
from tests.tinylcm.daemon.test_checkpoints import engine_of, evidence_in, run_to_the_end
from tests.tinylcm.daemon.test_service import running
from tinylcm.daemon.__main__ import main
from tinylcm.daemon.doctor import Level, examine
from tinylcm.settings.template import TEMPLATE


@pytest.fixture
def config(home: DeviceFolder, drifting_images: NDArray[np.uint8]) -> Path:
    """A device that saw a drift, with a snapshot from before it, and its configuration."""
    home.tables["snapshots"] |= {"keep_count": 20}
    home.install()
    for until in (30, 55, len(drifting_images)):
        run_to_the_end(home, drifting_images[:until])
    home.close()
    path = home.folder / "tinylcm.toml"
    text = TEMPLATE.format(device_id="camera-1").replace("[]", '["release.pub.pem"]')
    path.write_text(text.replace("keep_count = 3", "keep_count = 20"))
    return path


def listed(config: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    capsys.readouterr()
    assert main(["snapshots", "--config", str(config), "--json"]) == 0
    rows: list[dict[str, object]] = json.loads(capsys.readouterr().out)
    return rows


def test_snapshots_are_listed_with_what_they_hold(
    home: DeviceFolder, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = listed(config, capsys)
    assert [row["snapshot_id"] for row in rows] == sorted(str(row["snapshot_id"]) for row in rows)
    assert rows[-1]["next_index"] == 120
    assert rows[-1]["bundle_sha256"] == home.bundle_sha256()
    assert rows[-1]["open_drift_event"]
    assert not any(row["fault"] for row in rows)

    path = next((home.state / "snapshots").glob(f"*/{rows[0]['snapshot_id']}.bin"))
    path.write_bytes(path.read_bytes()[:-7])
    assert listed(config, capsys)[0]["fault"] == "its checksum does not fit its content"
    assert main(["snapshots", "--config", str(config)]) == 0
    table = capsys.readouterr().out.splitlines()
    assert "damaged" in table[1]
    assert "whole" in table[-1]
    assert len(table) == len(rows) + 1


def test_a_rollback_takes_the_device_exactly_to_the_older_state(
    home: DeviceFolder, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = listed(config, capsys)
    target = next(row for row in before if row["next_index"] == 55)
    device = home.open()
    waiting = evidence_in(device.outbox)
    wanted, _ = engine_of(device).snapshots.load(str(target["snapshot_id"]))
    home.close()
    assert main(["rollback", "--config", str(config), "--to", str(target["snapshot_id"])]) == 0
    told = capsys.readouterr().out

    device = home.open()
    meta, _ = engine_of(device).pipeline.state()
    assert meta == wanted["pipeline"]
    assert device.first_index == 120, "no frame is seen again"
    assert evidence_in(device.outbox) == waiting
    assert f"now repeats {target['snapshot_id']}" in told
    assert f"drift event {before[-1]['open_drift_event']}, open until now" in told
    after = listed(config, capsys)
    assert after[:-1] == before, "history stays"
    assert after[-1]["rolled_back_to"] == target["snapshot_id"]
    assert after[-1]["checkpoint"] == before[-1]["checkpoint"]


def test_without_an_id_each_rollback_goes_one_state_further_back(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = [str(row["snapshot_id"]) for row in listed(config, capsys)]
    origins = []
    for _ in range(3):
        assert main(["rollback", "--config", str(config)]) == 0
        origins.append(listed(config, capsys)[-1]["rolled_back_to"])

    assert origins == [ids[-2], ids[-3], ids[-4]]


def test_a_rollback_to_what_is_not_there_changes_nothing(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = listed(config, capsys)
    assert main(["rollback", "--config", str(config), "--to", "snapshot-000000000999"]) == 1
    assert "snapshot-000000000999" in capsys.readouterr().err
    assert listed(config, capsys) == before


def test_no_rollback_under_a_running_daemon(
    home: DeviceFolder, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home.tables["source"] |= {"at_end": "wait"}
    with running(home):
        locked = threading.Event()
        for _ in range(300):
            if (home.state / "lock").exists() and main(["rollback", "--config", str(config)]) == 1:
                break
            locked.wait(0.1)
        assert "another daemon uses" in capsys.readouterr().err


def findings(home: DeviceFolder, clock: HandClock | None = None) -> dict[str, tuple[Level, str]]:
    return {
        finding.part: (finding.level, finding.detail)
        for finding in examine(home.settings(), clock or HandClock())
    }


def test_the_doctor_finds_a_sound_device_sound(
    home: DeviceFolder, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--config", str(config), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["part"] for row in rows} >= {"data folder", "model", "engine", "snapshots", "outbox", "clock"}
    assert {row["level"] for row in rows} <= {"FINE", "NOTE"}
    assert main(["doctor", "--config", str(config)]) == 0
    assert "ok" in capsys.readouterr().out
    assert not list(home.state.glob("doctor*"))


def test_the_doctor_names_what_is_broken(
    home: DeviceFolder, config: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    newest = max((home.state / "snapshots").glob("*/*.bin"))
    newest.write_bytes(b"nothing")
    home.serve_from("127.0.0.1:9")
    clock = HandClock()
    clock.moment = clock.moment.replace(year=1970)
    found = findings(home, clock)
    assert found["snapshots"][0] is Level.FAULT
    assert newest.stem in found["snapshots"][1]
    assert found["clock"] == (
        Level.FAULT,
        "it shows 1970-11-02 09:30 UTC: set it, or let it be set over the network",
    )
    assert found["server"] == (Level.FAULT, "127.0.0.1:9: DEADLINE_EXCEEDED")

    (home.state / "outbox" / "outbox.db").write_bytes(b"no database" * 100)
    for slot in (home.state / "slots").glob("*/model.bundle"):
        slot.write_bytes(slot.read_bytes()[:-1])
    found = findings(home)
    assert found["outbox"][0] is Level.FAULT
    assert found["model"][0] is Level.NOTE, "a server will bring another"
    del home.tables["server"]
    assert findings(home)["model"][0] is Level.FAULT
    assert main(["doctor", "--config", str(config)]) == 1


def test_the_doctor_reaches_a_server_without_telling_it_anything(home: DeviceFolder) -> None:
    with FakeSphere() as sphere:
        home.serve_from(sphere.address)
        assert findings(home)["server"] == (Level.FINE, f"{sphere.address} answers")
        assert set(sphere.asked) <= {"Check"}
        assert not sphere.devices


def test_the_unit_is_printed_for_the_configuration(
    home: DeviceFolder, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["systemd-unit", "--config", str(config), "--out", str(home.folder / "it.service")]) == 0
    text = (home.folder / "it.service").read_text()
    assert f"run --config {config}" in text
    assert f"ReadWritePaths={home.folder / 'state'}" in text
