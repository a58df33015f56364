"""A sensor's process may come, go, die and lie; the device listens on."""

from __future__ import annotations

import socket
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from tests.tinylcm.adapters.sources.conftest import SHAPE, Reader
from tests.tinylcm.builders import HandClock
from tinylcm.adapters.sources.framed import FrameDecoder, encode_frame
from tinylcm.adapters.sources.sensor import SensorInput
from tinylcm.adapters.sources.unix_socket import UnixSocket
from tinylcm.errors import InputError


def message(number: int, shape: tuple[int, ...] = SHAPE) -> bytes:
    return encode_frame(np.full(shape, number, np.uint8), sequence=number)


@pytest.fixture
def path(tmp_path: Path, reader: Reader) -> Iterator[Path]:
    """A socket that a reader listens on."""
    path = tmp_path / "sensor.sock"
    start(reader, path)
    yield path
    reader.stop()
    assert not path.exists()


def start(reader: Reader, path: Path) -> None:
    reader.start(
        SensorInput(
            UnixSocket(path),
            lambda shape, _: FrameDecoder(shape, reader.tally, HandClock()),
            input_shape=reader.input_shape,
        )
    )
    reader.wait_for(path.exists)


def connect(path: Path) -> socket.socket:
    sender = socket.socket(socket.AF_UNIX)
    while True:
        try:
            sender.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            continue  # bound, and a moment before it listens
        sender.settimeout(30)
        return sender


def test_only_the_owner_may_send(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_senders_follow_each_other(reader: Reader, path: Path) -> None:
    for number in range(3):
        with connect(path) as sender:
            sender.sendall(message(number))
    reader.wait_for(lambda: len(reader.frames) == 3)

    assert reader.values == [0, 1, 2]
    assert [frame.source_index for frame in reader.frames] == [0, 1, 2]
    assert reader.tally.outages == 0


def test_what_a_dead_sender_began_is_void(reader: Reader, path: Path) -> None:
    with connect(path) as sender:
        sender.sendall(message(0) + message(1)[:30])
    with connect(path) as sender:
        sender.sendall(message(2))
    reader.wait_for(lambda: len(reader.frames) == 2)

    assert reader.values == [0, 2]


def test_who_sends_has_the_word_and_who_is_silent_stays_connected(reader: Reader, path: Path) -> None:
    with connect(path) as first, connect(path) as second:
        for turn, sender in enumerate((first, second, first)):
            sender.sendall(message(turn))
            reader.wait_for(lambda last=turn: len(reader.frames) == last + 1)  # type: ignore[misc]  # bound now

    assert reader.values == [0, 1, 2]


def test_a_check_beside_a_running_device_disturbs_no_sender(reader: Reader, path: Path) -> None:
    with connect(path) as sender:
        sender.sendall(message(0) + message(1)[:30])
        reader.wait_for(lambda: len(reader.frames) == 1)
        assert "a running device listens" in UnixSocket(path).check()
        sender.sendall(message(1)[30:])
        reader.wait_for(lambda: reader.values == [0, 1])


def test_of_many_silent_senders_the_oldest_are_let_go(reader: Reader, path: Path) -> None:
    with ExitStack() as stack:
        silent = [stack.enter_context(connect(path)) for _ in range(20)]
        sender = stack.enter_context(connect(path))
        sender.sendall(message(5))
        reader.wait_for(lambda: reader.values == [5])
        assert silent[0].recv(1) == b""
        silent[-1].sendall(message(6))
        reader.wait_for(lambda: reader.values == [5, 6])


def test_a_socket_that_was_removed_is_made_again(reader: Reader, path: Path) -> None:
    path.unlink()
    reader.wait_for(path.exists)
    with connect(path) as sender:
        sender.sendall(message(1))
        reader.wait_for(lambda: reader.values == [1])

    assert reader.tally.outages == 1


def test_what_a_crash_left_is_taken_away(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / "sensor.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    start(reader, path)
    with connect(path) as sender:
        sender.sendall(message(1))
        reader.wait_for(lambda: reader.values == [1])


def test_the_path_of_a_file_or_of_another_device_is_left_alone(path: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("keep me")

    with pytest.raises(InputError, match="is a file"):
        UnixSocket(tmp_path / "notes.txt").check()
    with pytest.raises(InputError, match="another process listens"), UnixSocket(path).open():
        raise AssertionError("it must not open")
    assert (tmp_path / "notes.txt").read_text() == "keep me"
    assert "a running device listens" in UnixSocket(path).check()
    assert "can be listened on" in UnixSocket(tmp_path / "other.sock").check()


def test_another_model_takes_other_frames(reader: Reader, path: Path) -> None:
    with connect(path) as sender:
        sender.sendall(message(1))
        reader.wait_for(lambda: reader.values == [1])
        reader.shape = (2, 2, 1)
        sender.sendall(message(2, (2, 2, 1)))
        reader.wait_for(lambda: reader.values == [1, 2])

    assert reader.frames[1].content.shape == (2, 2, 1)


def test_without_a_model_nobody_listens(reader: Reader, tmp_path: Path) -> None:
    reader.shape = None
    reader.start(SensorInput(UnixSocket(tmp_path / "s"), lambda *_: pytest.fail(), input_shape=lambda: None))

    reader.stop()
    assert not (tmp_path / "s").exists()
