"""A device as its own process, fed by a real sensor's process, over a real serial line, with garbage between."""

from __future__ import annotations

import os
import pty
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.tinylcm.builders import INPUT_SHAPE, labelled_images
from tests.tinylcm.daemon.conftest import DeviceFolder
from tests.tinylcm.daemon.test_commands import Daemon, reached
from tests.tinylcm.daemon.test_service import labels, wait_for
from tinylcm.adapters.sources.framed import HEADER, encode_frame

PAGE = Path(__file__).resolve().parents[3] / "docs" / "inputs.md"
GARBAGE = (
    b"boot: ok\r\n\xff\xfe\0" * 50,
    encode_frame(np.zeros(15, np.uint8)),
    encode_frame(np.zeros(0, np.uint8)),
    encode_frame(np.full(INPUT_SHAPE, np.nan, np.float32)),
    HEADER.pack(b"TLCM", 1, 0xFFFFFFFF, 2, 3),
    encode_frame(np.zeros(INPUT_SHAPE, np.uint8))[:-3],
)
BATCH = 8  # what the inbox holds: none of them is dropped


Start = Callable[[DeviceFolder], Daemon]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a device's process; it does not outlive the test."""
    daemons: list[Daemon] = []

    def start_one(home: DeviceFolder) -> Daemon:
        daemons.append(Daemon(home))
        return daemons[-1]

    yield start_one
    for daemon in daemons:
        if daemon.process.poll() is None:
            daemon.end(signal.SIGKILL)


@pytest.fixture
def images() -> tuple[NDArray[np.uint8], list[str]]:
    return labelled_images(BATCH * len(GARBAGE), seed=8)


def example(name: str, folder: Path) -> Path:
    """Writes an example of the documentation to a file."""
    (block,) = re.findall(rf"```\w+\n(\W+ {re.escape(name)}\b.*?)```", PAGE.read_text(), re.DOTALL)
    path = folder / name
    path.write_text(block)
    return path


def check_answers(home: DeviceFolder, expected: list[str]) -> None:
    told = labels(home)
    assert sorted(told) == list(range(len(expected)))
    right = sum(told[index] == label for index, label in enumerate(expected))
    assert right > 0.9 * len(expected)


def connected(path: Path) -> socket.socket:
    wait_for(lambda: path.exists() and path.is_socket())
    sender = socket.socket(socket.AF_UNIX)
    sender.settimeout(60)
    sender.connect(str(path))
    return sender


def test_predictions_go_on_whatever_comes_over_a_socket(
    home: DeviceFolder, start: Start, images: tuple[NDArray[np.uint8], list[str]]
) -> None:
    path = home.folder / "sensor.sock"
    home.tables["source"] = {"kind": "socket", "path": path.name}
    home.install()
    daemon = start(home)
    for turn, garbage in enumerate(GARBAGE):
        with connected(path) as sender:
            batch = images[0][turn * BATCH : (turn + 1) * BATCH]
            sender.sendall(garbage + b"".join(encode_frame(image) for image in batch) + garbage)
        wait_for(lambda last=(turn + 1) * BATCH - 1: reached(home) >= last)  # type: ignore[misc]  # bound now
    assert daemon.end(signal.SIGTERM) == 0

    check_answers(home, images[1])
    assert not path.exists()
    assert "that is no frame" in (home.folder / "daemon.log").read_text()


def test_the_sender_of_the_documentation_is_understood(
    home: DeviceFolder, start: Start, images: tuple[NDArray[np.uint8], list[str]]
) -> None:
    path = home.folder / "sensor.sock"
    home.tables["source"] = {"kind": "socket", "path": path.name}
    home.install()
    np.save(home.folder / "batch.npy", images[0][:BATCH])
    sender = example("sender.py", home.folder)
    daemon = start(home)
    wait_for(path.is_socket)
    for turn in (1, 2):
        subprocess.run([sys.executable, sender, path, home.folder / "batch.npy"], check=True, timeout=60)
        wait_for(lambda last=turn * BATCH - 1: reached(home) >= last)  # type: ignore[misc]  # bound now
    assert daemon.end(signal.SIGTERM) == 0

    check_answers(home, images[1][:BATCH] * 2)


def test_predictions_go_on_whatever_comes_over_a_serial_line(home: DeviceFolder, start: Start) -> None:
    """Windows of four readings; the cable is pulled out and put back in between."""
    images, names = labelled_images(BATCH, seed=8)
    path = home.folder / "ttyACM0"
    home.tables["source"] = {"kind": "serial", "path": path.name, "format": "readings"}
    home.install()
    daemon = start(home)
    for name in ("row-0", "row-1", "row-2"):
        sensor, device = pty.openpty()
        path.symlink_to(os.ttyname(device))
        window = b"nan,1,2,3\nreset\n\xff\n1,2,3\n" + as_lines(images[names.index(name)])
        wait_for(lambda told=name, line=sensor, content=window: is_told(home, told, line, content))  # type: ignore[misc]
        path.unlink()
        os.close(device)
        os.close(sensor)
    assert daemon.end(signal.SIGTERM) == 0

    told = labels(home)
    assert sorted(told) == list(range(len(told)))
    assert list(dict.fromkeys(told.values())) == ["row-0", "row-1", "row-2"]


def is_told(home: DeviceFolder, name: str, sensor: int, content: bytes) -> bool:
    """Sends once more, because nobody knows when the device opened the line, and looks for the answer."""
    os.write(sensor, content)
    return reached(home) >= 0 and name in labels(home).values()


def as_lines(image: NDArray[np.uint8]) -> bytes:
    """A picture as four readings of four shares of full scale."""
    rows = image.reshape(4, 4) / 255
    return b"".join(b",".join(b"%.5f" % value for value in row) + b"\n" for row in rows)


@pytest.mark.parametrize("kind", ["camera", "serial", "socket"])
def test_sigterm_ends_a_device_whose_source_is_silent_or_hangs(
    home: DeviceFolder, start: Start, kind: str
) -> None:
    """A FIFO that nobody writes to: OpenCV hangs in opening it, and a serial line it is not."""
    if kind == "camera":
        pytest.importorskip("cv2", reason="the extra [camera] is not installed")
    os.mkfifo(home.folder / "silent")
    name = home.folder / ("sensor.sock" if kind == "socket" else "silent")
    home.tables["source"] = {"kind": kind, "device" if kind == "camera" else "path": str(name)}
    home.install()
    daemon = start(home)
    log = home.folder / "daemon.log"
    wait_for(lambda: "runs from frame 0" in log.read_text())

    assert daemon.end(signal.SIGTERM) == 0
