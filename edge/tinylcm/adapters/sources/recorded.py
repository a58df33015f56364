"""Recordings as sources: who reads them decides how fast.

`source_index` counts the frames of a source from 0, across all its recordings, so that a restarted device goes on
exactly where its last snapshot stood. Hence recordings must not be removed or renamed while a device lives on them.
"""

from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path

from tinylcm.adapters.recording import Recording, open_recording
from tinylcm.adapters.sources.tally import SourceTally
from tinylcm.errors import InputError
from tinylcm.ports import Clock
from tinylcm.records import Frame

_POLL_S = 0.2


class AtEnd(Enum):
    """What a source does after its last frame."""

    STOP = "stop"
    LOOP = "loop"
    WAIT = "wait"


class RecordedStream:
    """One recording, once or over and over, by default at its own rate."""

    is_live = False

    def __init__(
        self,
        path: Path,
        clock: Clock,
        *,
        at_end: AtEnd = AtEnd.STOP,
        frames_per_second: float | None = None,
    ) -> None:
        if at_end is AtEnd.WAIT:
            raise InputError("a single recording cannot wait for more; use a folder")
        self._recording = open_recording(path)
        if not self._recording.frame_count:
            raise InputError(f"{path.name} holds no frames")
        self._clock = clock
        self._at_end = at_end
        self.frames_per_second = frames_per_second or self._recording.frames_per_second

    def check(self) -> str:
        """Says what the recording holds."""
        shape = self._recording.shape[1:]
        return f"recording {self._recording.path}: {self._recording.frame_count} frames of shape {shape}"

    def frames(self, first_index: int) -> Iterator[Frame]:
        """Yields frames from ``first_index`` on."""
        count = self._recording.frame_count
        index = first_index
        while index < count or self._at_end is AtEnd.LOOP:
            for content in self._recording.read(index % count):
                yield Frame(source_index=index, capture_time=self._clock.now(), content=content)
                index += 1


class FolderSource:
    """A folder of recordings, read in the order of their names; new ones may arrive at its end.

    Files whose name begins with a dot are unfinished. A recording that cannot be read is reported and passed
    over, so that it never stops the device.

    Args:
        wait: Waits so many seconds and returns True when the device is stopping.
    """

    is_live = False

    def __init__(
        self,
        path: Path,
        clock: Clock,
        *,
        at_end: AtEnd = AtEnd.WAIT,
        frames_per_second: float | None = None,
        tally: SourceTally,
        wait: Callable[[float], bool],
    ) -> None:
        self._path = path
        self._clock = clock
        self._at_end = at_end
        self.frames_per_second = frames_per_second
        self._tally = tally
        self._wait = wait

    def check(self) -> str:
        """Counts the recordings.

        Raises:
            InputError: There is no such folder.
        """
        if not self._path.is_dir():
            raise InputError(f"{self._path} is no folder")
        return f"folder {self._path}: {len(self._paths_after(''))} recordings"

    def frames(self, first_index: int) -> Iterator[Frame]:
        """Yields frames from ``first_index`` on."""
        start = 0
        for recording in self._recordings():
            skipped = max(first_index - start, 0)
            if skipped < recording.frame_count:
                yield from self._frames_of(recording, start, skipped)
            start += recording.frame_count

    def _frames_of(self, recording: Recording, start: int, skipped: int) -> Iterator[Frame]:
        try:
            for index, content in enumerate(recording.read(skipped), start=start + skipped):
                yield Frame(source_index=index, capture_time=self._clock.now(), content=content)
        except InputError as error:
            self._tally.count_malformed(f"the rest of a recording is passed over: {error}")

    def _recordings(self) -> Iterator[Recording]:
        last_name = ""
        while True:
            found_any = False
            for path in self._paths_after(last_name):
                found_any, last_name = True, path.name
                try:
                    yield open_recording(path)
                except InputError as error:
                    self._tally.count_malformed(f"a recording is passed over: {error}")
            if not found_any and self._is_over(last_name):
                return
            if self._at_end is AtEnd.LOOP and not found_any:
                last_name = ""

    def _paths_after(self, last_name: str) -> list[Path]:
        names = (path.name for path in self._path.glob("*.npz"))
        return [self._path / name for name in sorted(names) if name > last_name and not name.startswith(".")]

    def _is_over(self, last_name: str) -> bool:
        if self._at_end is AtEnd.STOP:
            return True
        if self._at_end is AtEnd.LOOP and last_name:
            return False
        return self._wait(_POLL_S)
