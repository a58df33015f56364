"""The last frames a device saw, in memory only: what led to an alarm, and what is normal now."""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinylcm.records import Observation


@dataclass(slots=True, kw_only=True, eq=False)
class RecentFrame:
    """An observation and, while there is room, the frame's content."""

    observation: Observation
    content: NDArray[np.generic] | None


class RecentFrames:
    """Bounded by count, and by bytes of content."""

    def __init__(self, *, frame_count: int, size_bytes: int) -> None:
        self._frames: deque[RecentFrame] = deque(maxlen=frame_count)
        self._with_content: deque[RecentFrame] = deque()
        self._room_bytes = size_bytes

    def __len__(self) -> int:
        return len(self._frames)

    def add(self, observation: Observation, content: NDArray[np.generic]) -> RecentFrame:
        """Keeps a frame and returns it; the oldest leave, and the oldest contents are dropped."""
        if len(self._frames) == self._frames.maxlen:
            self._drop_content(self._frames[0])
        frame = RecentFrame(observation=observation, content=content)
        self._frames.append(frame)
        self._with_content.append(frame)
        self._room_bytes -= content.nbytes
        while self._room_bytes < 0:
            self._drop_content(self._with_content[0])
        return frame

    @property
    def newest(self) -> Observation:
        """The newest frame's observation; raises IndexError without one."""
        return self._frames[-1].observation

    @property
    def newest_index(self) -> int | None:
        """Source index of the newest frame, or None without one."""
        return self._frames[-1].observation.source_index if self._frames else None

    def frames(self) -> tuple[RecentFrame, ...]:
        """Returns all frames, oldest first."""
        return tuple(self._frames)

    def clear(self) -> None:
        """Forgets all frames."""
        while self._frames:
            self._drop_content(self._frames.popleft())

    def since(self, source_index: int) -> list[RecentFrame]:
        """Returns the frames from ``source_index`` on, oldest first."""
        return [frame for frame in self._frames if frame.observation.source_index >= source_index]

    def _drop_content(self, frame: RecentFrame) -> None:
        """Contents leave in the order they came, so it is always the oldest that is dropped."""
        if frame.content is not None:
            self._with_content.popleft()
            self._room_bytes += frame.content.nbytes
            frame.content = None
