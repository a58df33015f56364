"""A serial line by a real pseudo-terminal: it may be pulled out, come back, and was never told to behave."""

from __future__ import annotations

import os
import pty
import termios
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.tinylcm.adapters.sources.conftest import SHAPE, Reader
from tests.tinylcm.builders import HandClock
from tinylcm.adapters.sources.framed import FrameDecoder, encode_frame
from tinylcm.adapters.sources.readings import WindowDecoder
from tinylcm.adapters.sources.sensor import Decoder, SensorInput
from tinylcm.adapters.sources.serial_line import SerialLine
from tinylcm.errors import InputError


class Cable:
    """One end is a sensor that writes; the other shows as a device file that can be pulled out and put back."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.plug_in()

    def plug_in(self) -> None:
        self.sensor, self._device = pty.openpty()
        self.path.symlink_to(os.ttyname(self._device))

    def pull_out(self) -> None:
        self.path.unlink()
        os.close(self._device)
        os.close(self.sensor)

    def write(self, content: bytes) -> None:
        assert os.write(self.sensor, content) == len(content)


@pytest.fixture
def cable(tmp_path: Path) -> Iterator[Cable]:
    cable = Cable(tmp_path / "ttyACM0")
    yield cable
    cable.pull_out()


def listen(reader: Reader, cable: Cable, *, readings: bool = False) -> None:
    def decoder(shape: tuple[int, ...], starts_midway: bool) -> Decoder:
        if readings:
            return WindowDecoder(shape, reader.tally, hop_readings=0, starts_midway=starts_midway)
        return FrameDecoder(shape, reader.tally, HandClock())

    reader.start(
        SensorInput(SerialLine(cable.path, baud_rate=115_200), decoder, input_shape=reader.input_shape)
    )


def send_until_heard(reader: Reader, cable: Cable, number: int) -> None:
    """A line forgets what was written before it was opened, so the sensor repeats itself."""

    def is_heard() -> bool:
        cable.write(encode_frame(np.full(SHAPE, number, np.uint8), sequence=number))
        return number in reader.values

    reader.wait_for(is_heard)


def test_every_byte_arrives_as_it_was_sent(reader: Reader, cable: Cable) -> None:
    listen(reader, cable)
    send_until_heard(reader, cable, 1)
    everything = np.array([0, 3, 4, 10, 13, 17, 19, 26, 28, 127, 128, 255], np.uint8).reshape(SHAPE)
    cable.write(encode_frame(everything))  # control characters of a terminal, all of them
    reader.wait_for(lambda: bool((reader.frames[-1].content == everything).all()))

    assert reader.tally.malformed_inputs == 0


def test_the_line_is_set_to_its_rate(reader: Reader, cable: Cable) -> None:
    with SerialLine(cable.path, baud_rate=57_600).open():
        *_, input_rate, output_rate, _ = termios.tcgetattr(cable._device)

    assert (input_rate, output_rate) == (termios.B57600, termios.B57600)


def test_a_line_that_is_pulled_out_is_opened_again(reader: Reader, cable: Cable) -> None:
    listen(reader, cable)
    send_until_heard(reader, cable, 1)
    cable.write(encode_frame(np.full(SHAPE, 2, np.uint8))[:20])
    cable.pull_out()
    reader.wait_for(lambda: reader.tally.outages == 1)
    cable.plug_in()
    send_until_heard(reader, cable, 3)

    assert set(reader.values) == {1, 3}
    assert [frame.source_index for frame in reader.frames] == list(range(len(reader.frames)))
    assert reader.tally.outages == 1


def test_the_first_line_may_be_cut_off(reader: Reader, cable: Cable) -> None:
    reader.shape = (2, 1)
    listen(reader, cable, readings=True)

    def is_heard() -> bool:
        cable.write(b"7\n1250\n1250\n")
        return 1250 in reader.values

    reader.wait_for(is_heard)
    cable.write(b"boot: ok\n5\n6\n")
    reader.wait_for(lambda: reader.values[-1] == 5)
    assert reader.tally.malformed_inputs == 1


def test_files_that_are_no_serial_lines_are_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("1,2,3\n")

    with pytest.raises(InputError, match=r"notes\.txt is no serial line"):
        SerialLine(tmp_path / "notes.txt", baud_rate=9600).check()
    with pytest.raises(FileNotFoundError):
        SerialLine(tmp_path / "ttyUSB9", baud_rate=9600).check()


def test_a_line_says_that_it_opens(cable: Cable) -> None:
    assert "opens at 9600 baud" in SerialLine(cable.path, baud_rate=9600).check()
