"""What systemd hears, over a real socket, and the unit that `tinylcm systemd-unit` prints."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Need
from tests.tinylcm.builders import HandClock, labelled_images
from tests.tinylcm.daemon.conftest import DeviceFolder
from tinylcm.adapters.systemd import Supervisor
from tinylcm.daemon.build import Device
from tinylcm.daemon.logs import RecentWarnings
from tinylcm.daemon.pulse import Pulse
from tinylcm.daemon.service import Service
from tinylcm.daemon.systemd_unit import systemd_unit

CONFIG = Path("/etc/tinylcm/gate 1.toml")


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """The receiving end of NOTIFY_SOCKET."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
        link.bind(str(tmp_path / "notify"))
        link.settimeout(30)
        yield link


def heard(systemd: socket.socket) -> str:
    return systemd.recv(4096).decode()


def nothing_more(systemd: socket.socket) -> bool:
    systemd.setblocking(False)
    try:
        systemd.recv(4096)
    except BlockingIOError:
        return True
    return False


def test_a_service_says_that_it_is_ready_alive_and_stopping(
    home: DeviceFolder, systemd: socket.socket
) -> None:
    home.install()
    home.tables["source"] |= {"at_end": "wait"}
    home.record("1", labelled_images(10, seed=2)[0])
    environment = {"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "7"}
    service = Service(home.settings(), RecentWarnings(), Supervisor.from_environment(environment, 7))
    thread = threading.Thread(target=service.run)
    thread.start()

    assert heard(systemd).startswith("READY=1\nSTATUS=bundle ")
    assert heard(systemd).startswith("WATCHDOG=1\nSTATUS=bundle ")
    assert heard(systemd).startswith("WATCHDOG=1")
    service.stop()
    thread.join(60)
    last = heard(systemd)
    while last.startswith("WATCHDOG=1"):
        last = heard(systemd)
    assert last == "STOPPING=1"


def test_the_watchdog_starves_when_the_inference_thread_hangs(
    home: DeviceFolder, systemd: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pulse of a real device whose pipeline does not return."""
    home.install()
    home.record("1", labelled_images(10, seed=2)[0])
    device = home.open()
    clock = HandClock()
    pulse = Pulse(Supervisor(systemd.getsockname(), watchdog_s=20.0), clock)
    goes_on = threading.Event()
    engine = device.models.engine
    assert engine is not None
    monkeypatch.setattr(engine.pipeline, "process", lambda frame: goes_on.wait() and None)

    device.inference.step()
    pulse.feed(device.inference.step_count, lambda: "well")
    assert heard(systemd) == "WATCHDOG=1\nSTATUS=well"
    thread = threading.Thread(target=hang, args=(device,))
    thread.start()
    while device.inference.step_count < 2:
        goes_on.wait(0.01)
    pulse.feed(device.inference.step_count, lambda: "well")
    clock.forward(5)
    pulse.feed(device.inference.step_count, lambda: "well")
    assert heard(systemd).startswith("WATCHDOG=1"), "the step that hangs had begun"
    for _ in range(10):
        clock.forward(5)
        pulse.feed(device.inference.step_count, lambda: "well")
    assert nothing_more(systemd)
    goes_on.set()
    thread.join(60)


def hang(device: Device) -> None:
    from tests.tinylcm.daemon.conftest import frames_of

    assert device.inbox.put_frame(next(frames_of(labelled_images(1)[0], device)))
    with pytest.raises(AttributeError):
        device.inference.step()


def test_without_systemd_nobody_is_told(tmp_path: Path) -> None:
    Supervisor.from_environment({}, 1).ready("well")
    Supervisor(str(tmp_path / "nobody")).alive("well")
    assert (
        Supervisor.from_environment({"WATCHDOG_USEC": "5000000", "WATCHDOG_PID": "8"}, 7).watchdog_s is None
    )
    assert Supervisor.from_environment({"WATCHDOG_USEC": "5000000"}, 7).watchdog_s == 5.0


def test_systemd_takes_the_unit(tmp_path: Path, need: Need) -> None:
    program = shutil.which("systemd-analyze")
    need("systemd-analyze", program is not None, "apt-get install systemd")
    assert program is not None
    path = tmp_path / "tinylcm.service"
    path.write_text(unit())

    checked = subprocess.run(
        [program, "verify", "--recursive-errors=no", str(path)], capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def unit() -> str:
    return systemd_unit(
        program=Path("/bin/true"),
        config=CONFIG,
        device_id="gate-1",
        writes=[Path("/var/lib/tiny lcm"), Path("/run/50%")],
    )


def test_the_unit_names_what_the_device_needs() -> None:
    lines = unit().splitlines()

    assert 'ExecStart=/bin/true run --config "/etc/tinylcm/gate 1.toml"' in lines
    assert 'ReadWritePaths="/var/lib/tiny lcm" /run/50%%' in lines
    assert "WorkingDirectory=/etc/tinylcm" in lines
    assert {"Type=notify", "WatchdogSec=180", "Restart=always", "ProtectSystem=strict"} <= set(lines)
