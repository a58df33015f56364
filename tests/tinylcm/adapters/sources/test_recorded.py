"""Sources count frames without gaps, resume anywhere, and never fail for one bad file."""

from __future__ import annotations

import logging
import zipfile
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from tests.tinylcm.builders import HandClock
from tinylcm.adapters.recording import open_recording
from tinylcm.adapters.sources.recorded import AtEnd, FolderSource, RecordedStream
from tinylcm.adapters.sources.tally import SourceTally
from tinylcm.errors import InputError
from tinylcm.ports import FrameSource

CLOCK = HandClock()


def write(path: Path, count: int, *, start: int = 0, compressed: bool = False, **more: object) -> Path:
    frames = (np.arange(start, start + count) % 256).astype(np.uint8)[:, None, None, None] * np.ones(
        (2, 3, 1), np.uint8
    )
    save = np.savez_compressed if compressed else np.savez
    save(path, frames=frames, **more)
    return path


def seen(source: FrameSource, first_index: int = 0, *, most: int = 100) -> list[tuple[int, int]]:
    """Source index and first value of every frame."""
    return [
        (frame.source_index, int(frame.content.flat[0])) for frame in islice(source.frames(first_index), most)
    ]


def never(seconds: float) -> bool:
    raise AssertionError("this source does not wait")


@pytest.mark.parametrize("compressed", [False, True])
def test_a_recording_resumes_anywhere(tmp_path: Path, compressed: bool) -> None:
    stream = RecordedStream(write(tmp_path / "r.npz", 5, compressed=compressed), CLOCK)

    assert seen(stream) == [(index, index) for index in range(5)]
    assert seen(stream, 3) == [(3, 3), (4, 4)]
    assert seen(stream, 5) == []
    frame = next(iter(stream.frames(0)))
    assert (frame.content.shape, frame.content.dtype) == ((2, 3, 1), np.uint8)


def test_a_looped_recording_goes_on_counting(tmp_path: Path) -> None:
    stream = RecordedStream(write(tmp_path / "r.npz", 3), CLOCK, at_end=AtEnd.LOOP)

    assert seen(stream, 2, most=5) == [(2, 2), (3, 0), (4, 1), (5, 2), (6, 0)]


def test_grey_images_get_a_channel(tmp_path: Path) -> None:
    np.savez(tmp_path / "r.npz", images=np.zeros((2, 4, 5), np.uint8))

    frame = next(iter(RecordedStream(tmp_path / "r.npz", CLOCK).frames(0)))
    assert frame.content.shape == (4, 5, 1)


def test_a_recording_may_know_its_rate(tmp_path: Path) -> None:
    assert open_recording(write(tmp_path / "a.npz", 1, frames_per_second=12.5)).frames_per_second == 12.5
    assert open_recording(write(tmp_path / "b.npz", 1)).frames_per_second is None


def test_other_files_are_no_recordings(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("no archive")
    np.savez(tmp_path / "other.npz", pixels=np.zeros(3))
    np.savez(tmp_path / "objects.npz", frames=np.array([{}, {}], dtype=object))
    np.savez(tmp_path / "fortran.npz", frames=np.asfortranarray(np.zeros((2, 3, 4))))
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(InputError, match=path.name):
            open_recording(path)


def test_a_truncated_recording_is_an_error_with_its_name(tmp_path: Path) -> None:
    whole = write(tmp_path / "r.npz", 50).read_bytes()
    with (
        zipfile.ZipFile(tmp_path / "short.npz", "w") as archive,
        zipfile.ZipFile(tmp_path / "r.npz") as source,
    ):
        archive.writestr("frames.npy", source.read("frames.npy")[:-6])
    assert whole

    stream = RecordedStream(tmp_path / "short.npz", CLOCK)
    with pytest.raises(InputError, match=r"short\.npz is damaged"):
        seen(stream)


def test_a_folder_is_one_stream(tmp_path: Path) -> None:
    write(tmp_path / "2-during.npz", 2, start=3)
    write(tmp_path / "1-before.npz", 3)
    (tmp_path / ".3-after.npz").write_bytes(b"still being written")
    source = FolderSource(tmp_path, CLOCK, at_end=AtEnd.STOP, tally=SourceTally(), wait=never)

    assert seen(source) == [(index, index) for index in range(5)]
    assert seen(source, 4) == [(4, 4)]


def test_a_folder_waits_for_more(tmp_path: Path) -> None:
    write(tmp_path / "1.npz", 2)
    waits: list[float] = []

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        if len(waits) == 2:
            write(tmp_path / "2.npz", 2, start=2)
        return len(waits) == 5

    source = FolderSource(tmp_path, CLOCK, at_end=AtEnd.WAIT, tally=SourceTally(), wait=wait)
    assert seen(source, 1) == [(1, 1), (2, 2), (3, 3)]
    assert len(waits) == 5


def test_a_looped_folder_starts_again(tmp_path: Path) -> None:
    write(tmp_path / "1.npz", 2)
    source = FolderSource(tmp_path, CLOCK, at_end=AtEnd.LOOP, tally=SourceTally(), wait=never)

    assert seen(source, most=5) == [(0, 0), (1, 1), (2, 0), (3, 1), (4, 0)]


def test_a_folder_passes_over_what_it_cannot_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path / "1.npz", 2)
    (tmp_path / "2.npz").write_bytes(b"broken")
    write(tmp_path / "3.npz", 2, start=2)
    source = FolderSource(tmp_path, CLOCK, at_end=AtEnd.STOP, tally=SourceTally(), wait=never)

    with caplog.at_level(logging.WARNING):
        assert seen(source) == [(0, 0), (1, 1), (2, 2), (3, 3)]
    assert "2.npz" in caplog.text


def test_an_empty_or_waiting_recording_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no frames"):
        RecordedStream(write(tmp_path / "r.npz", 0), CLOCK)
    with pytest.raises(InputError, match="folder"):
        RecordedStream(write(tmp_path / "r.npz", 1), CLOCK, at_end=AtEnd.WAIT)
