"""The configuration says everything that is wrong with it at once."""

from __future__ import annotations

import termios
import tomllib
from pathlib import Path

import pytest

from tinylcm.errors import SettingsError
from tinylcm.records import Mode
from tinylcm.settings import load_settings, parse_settings
from tinylcm.settings.source import BAUD_RATES, CameraSettings, RecordedSettings, SensorSettings
from tinylcm.settings.template import TEMPLATE

LEAST = {"device": {"device_id": "camera-1"}, "source": {"path": "inbox"}}
SERVER = {
    "ingestion_target": "127.0.0.1:7101",
    "drift_target": "[::1]:7102",
    "distribution_target": "server.example:7103",
}


def test_the_least_configuration_works_alone(tmp_path: Path) -> None:
    settings = parse_settings(LEAST, folder=tmp_path)

    assert settings.server is None
    assert settings.device.mode is Mode.VALIDATED_LEARNING
    assert settings.device.data_dir == tmp_path / "state"
    assert settings.device.location is None
    assert settings.source == RecordedSettings(
        kind="folder", path=tmp_path / "inbox", frames_per_second=None, at_end="wait"
    )


def test_the_template_is_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "tinylcm.toml"
    path.write_text(TEMPLATE.format(device_id="camera-1"))

    assert load_settings(path) == parse_settings(LEAST, folder=tmp_path)


def test_the_template_shows_every_key(tmp_path: Path) -> None:
    path = tmp_path / "tinylcm.toml"
    lines = TEMPLATE.format(device_id="camera-1").splitlines()
    path.write_text(
        "\n".join(line.removeprefix("# ") if "=" in line or "[" in line else line for line in lines)
    )

    settings = load_settings(path)
    assert settings.device.display_name == "Gate 1"
    assert settings.device.labels == {"site": "hall-2"}
    assert settings.device.location == (52.52, 13.40)
    assert settings.server == parse_settings(LEAST | {"server": TARGETS}, folder=tmp_path).server


TARGETS = {
    "ingestion_target": "127.0.0.1:7101",
    "drift_target": "127.0.0.1:7102",
    "distribution_target": "127.0.0.1:7103",
}


SERIAL = SensorSettings(path=Path("/dev/ttyACM0"), baud_rate=115_200, format="frames", hop_readings=0)


def test_the_template_shows_every_key_of_live_sources_with_its_default(tmp_path: Path) -> None:
    lines = [line for line in TEMPLATE.splitlines() if line.startswith("## ") and "=" in line]
    text = "\n".join(line.removeprefix("## ") for line in lines)
    _, *blocks = text.split("kind = ")
    shown = [
        parse_settings(LEAST | {"source": tomllib.loads(f"kind = {block}")}, folder=tmp_path).source
        for block in blocks
    ]

    assert shown == [
        CameraSettings(device="0", fit="crop", frames_per_second=None),
        SERIAL,
        SensorSettings(path=tmp_path / "sensor.sock", baud_rate=None, format="frames", hop_readings=0),
    ]
    least = {"kind": "serial", "path": "/dev/ttyACM0"}
    assert parse_settings(LEAST | {"source": least}, folder=tmp_path).source == SERIAL
    keys = {name for source in shown for name in source.__slots__}
    assert all(f"## {key} = " in TEMPLATE for key in keys)


@pytest.mark.parametrize(
    ("source", "faulty"),
    [
        ({"kind": "camera", "path": "x", "fit": "zoom"}, {"source.path", "source.fit"}),
        ({"kind": "serial", "baud_rate": 115_201, "at_end": "stop"}, {"path", "baud_rate", "at_end"}),
        (
            {"kind": "socket", "path": "x" * 108, "baud_rate": 9600, "format": "xml", "hop_readings": -1},
            {"path", "baud_rate", "format", "hop_readings"},
        ),
        ({"kind": "telepathy", "path": "x"}, {"kind"}),
    ],
)
def test_keys_of_another_kind_are_faults(tmp_path: Path, source: dict[str, object], faulty: set[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_settings(LEAST | {"source": source}, folder=tmp_path)

    told = {line.strip().split(":")[0].removeprefix("source.") for line in str(caught.value).splitlines()[1:]}
    assert told == {name.removeprefix("source.") for name in faulty}


def test_every_rate_is_one_the_system_knows() -> None:
    assert all(hasattr(termios, f"B{rate}") for rate in BAUD_RATES)


def test_zero_zero_is_a_place(tmp_path: Path) -> None:
    device = {"device_id": "camera-1", "location": {"latitude_deg": 0.0, "longitude_deg": 0}}

    assert parse_settings(LEAST | {"device": device}, folder=tmp_path).device.location == (0.0, 0.0)


def test_every_fault_is_listed_at_once(tmp_path: Path) -> None:
    table = {
        "device": {
            "device_id": "Camera 1",
            "mode": "SLEEPING",
            "labels": {"a b": "x", "ok": 7},
            "location": {"latitude_deg": 91.0},
            "colour": "red",
        },
        "source": {"kind": "recording", "at_end": "wait", "frames_per_second": -1},
        "model": {"trusted_keys": "key.pem", "thread_count": 0},
        "server": SERVER | {"drift_target": "nowhere", "request_timeout_s": True},
        "adaptation": {"send_images": 1},
        "outbox": {"max_bytes": 1.5},
        "snapshots": "often",
        "extra": {},
    }
    with pytest.raises(SettingsError) as caught:
        parse_settings(table, folder=tmp_path)

    faulty = {line.strip().split(":")[0] for line in str(caught.value).splitlines()[1:]}
    assert faulty == {
        "device.device_id",
        "device.mode",
        "device.labels.a b",
        "device.labels.ok",
        "device.location.latitude_deg",
        "device.location.longitude_deg",
        "device.colour",
        "source.path",
        "source.at_end",
        "source.frames_per_second",
        "model.trusted_keys",
        "model.thread_count",
        "server.drift_target",
        "server.request_timeout_s",
        "adaptation.send_images",
        "outbox.max_bytes",
        "snapshots",
        "extra",
    }


@pytest.mark.parametrize("content", [b"[device", b"\xff\xfe"])
def test_an_unreadable_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.toml"
    path.write_bytes(content)

    with pytest.raises(SettingsError, match=r"broken\.toml"):
        load_settings(path)
    with pytest.raises(SettingsError, match=r"missing\.toml"):
        load_settings(tmp_path / "missing.toml")
