"""`tinysphere simulate` as people and programs call it."""

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import grpc

from demo.processes import free_address
from demo.server import Server
from tests.support.interrupts import INTERRUPTIBLE
from tests.support.waiting import eventually

FAST = ["--devices", "3", "--duration", "30", "--speed", "60"]


def simulate(*arguments: str, server: Server | None = None) -> subprocess.CompletedProcess[str]:
    addresses = (
        server.addresses if server else dict.fromkeys(("ingestion", "drift", "distribution"), free_address())
    )
    settings = {f"TINYSPHERE_{name.upper()}_ADDRESS": address for name, address in addresses.items()}
    command = [sys.executable, "-m", "tinysphere", "simulate", *arguments]
    return subprocess.run(
        command, env=os.environ | settings, capture_output=True, text=True, timeout=200, check=False
    )


def test_help_names_every_option() -> None:
    shown = simulate("--help")
    assert shown.returncode == 0
    for option in (
        "devices",
        "seed",
        "duration",
        "speed",
        "scenario",
        "processes",
        "ingestion",
        "drift",
        "json",
    ):
        assert f"--{option}" in shown.stdout


def test_the_last_line_is_the_summary_and_goes_to_a_file_too(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    ran = simulate(*FAST, "--seed", "21", "--json", str(path), server=server)
    assert ran.returncode == 0, ran.stderr
    summary = json.loads(ran.stdout.splitlines()[-1])
    assert json.loads(path.read_text()) == summary
    assert summary["good"] is True
    assert summary["packages"]["committed"] == summary["packages"]["made"] >= 3
    assert summary["heartbeats"] >= 3
    assert summary["latency_ms"]["Heartbeat"]["p50"] <= summary["latency_ms"]["Heartbeat"]["p99"]
    assert ran.stderr == ""


def test_a_terminal_shows_a_table(server: Server) -> None:
    ours, theirs = pty.openpty()
    arguments = [f"--{name}={address}" for name, address in server.addresses.items()]
    command = [
        sys.executable,
        "-m",
        "tinysphere",
        "simulate",
        *FAST,
        "--seed",
        "22",
        "--processes",
        "2",
        *arguments,
    ]
    environment = os.environ | {"COLUMNS": "100", "TERM": "xterm"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=theirs, env=environment, text=True
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 65536):
                shown += piece
        except OSError:  # the other end of a terminal is gone
            pass
        output, _ = process.communicate(timeout=200)
    os.close(ours)
    assert process.returncode == 0
    assert json.loads(output.splitlines()[-1])["good"] is True
    for word in (b"3 devices, steady, seed 22", b"heartbeats", b"packages", b"power cuts"):
        assert word in shown


def test_a_server_that_is_away_is_status_one_and_said(tmp_path: Path) -> None:
    ran = simulate(*FAST, "--drain", "0.5", "--no-check")
    assert ran.returncode == 1
    summary = json.loads(ran.stdout.splitlines()[-1])
    assert summary["packages"]["waiting"] == summary["packages"]["made"] > 0
    assert summary["check"] is None
    assert any(error.startswith("RegisterDevice UNAVAILABLE") for error in summary["errors"])
    assert "Traceback" not in ran.stderr


def test_mistakes_are_told_in_one_line_with_their_name(tmp_path: Path) -> None:
    hostile = tmp_path / "hostile.toml"
    hostile.write_text("[power]\ncut_every_s = [3, 1]\n")
    for arguments, word in (
        (["--scenario", str(hostile)], "power.cut_every_s"),
        (["--scenario", "sunny"], "scenario: expected one of offline"),
    ):
        ran = simulate(*arguments)
        assert ran.returncode == 1
        assert word in ran.stderr.splitlines()[-1]
        assert "Traceback" not in ran.stderr
    for option, value in (("--devices", "0"), ("--duration", "nan"), ("--speed", "0")):
        ran = simulate(option, value)
        assert ran.returncode == 2
        assert option in ran.stderr


def test_an_interrupted_fleet_leaves_no_process_behind(server: Server) -> None:
    arguments = [f"--{name}={address}" for name, address in server.addresses.items()]
    endless = ["--devices", "4", "--duration", "100000", "--speed", "1", "--processes", "2", "--seed", "23"]
    command = [sys.executable, "-m", "tinysphere", "simulate", *endless, *arguments]
    process = subprocess.Popen(
        [*INTERRUPTIBLE, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    device_ids = [f"sim-23-{index:05d}" for index in range(4)]
    eventually(lambda: all(is_known(server, device_id) for device_id in device_ids), timeout_s=120)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "Traceback" not in errors
    assert len(children) >= 2
    eventually(lambda: not any(Path(f"/proc/{child}").exists() for child in children), timeout_s=60)


def is_known(server: Server, device_id: str) -> bool:
    try:
        server.device(device_id)
    except grpc.RpcError:
        return False
    return True
