"""What the device needs of the world, as protocols; `adapters` makes them real."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tinylcm.records import FloatVector, Frame, Image

Arrays = Mapping[str, NDArray[np.generic]]
Json = dict[str, Any]


class Promise(Protocol):
    """Work that somebody does."""

    def done(self) -> bool:
        """Returns whether it has ended."""

    def result(self) -> Any:
        """Waits for the end; returns what came of it, or raises what it raised."""


class Worker(Protocol):
    """Does work beside what the caller does; an executor of threads is one."""

    def submit(self, work: Callable[[], Any], /) -> Promise:
        """Takes work, in order."""


class Extractor(Protocol):
    """Turns an input into an embedding."""

    @property
    def feature_space(self) -> str:
        """SHA-256 of the extractor model, 64 lower-case hex digits."""

    @property
    def runtime(self) -> str:
        """Engine and version, e.g. "ai-edge-litert 2.3.0"."""

    def extract(self, content: NDArray[np.generic]) -> FloatVector:
        """Returns the embedding, ``(d,) float32``.

        Raises:
            InputError: ``content`` has another shape or dtype than the model, or is not finite.
        """


class FrameSource(Protocol):
    """A folder, a recorded stream, a camera, a sensor.

    Attributes:
        is_live: Whether it goes on by itself, so that what nobody takes in time has to be dropped.
        frames_per_second: How fast a recording is to be read; None for as fast as frames are taken.
    """

    @property
    def is_live(self) -> bool: ...

    @property
    def frames_per_second(self) -> float | None: ...

    def check(self) -> str:
        """Tries the source, and says in a sentence what was found.

        Raises:
            InputError: Frames cannot come from it.
            OSError: It cannot be opened.
        """

    def frames(self, first_index: int) -> Iterator[Frame]:
        """Yields frames from ``first_index`` on; a live source goes on counting from there."""


class ImageEncoder(Protocol):
    """Makes the picture a reviewer sees; a source without pictures has none."""

    def encode(self, content: NDArray[np.generic]) -> Image | None:
        """Returns the picture of a frame's content, or None when it has none."""


class Clock(Protocol):
    """Time and identity, passed in so that tests and replays choose them."""

    def now(self) -> datetime:
        """Returns the wall clock, aware UTC."""

    def monotonic_s(self) -> float:
        """Returns seconds that never run backwards."""

    def new_id(self) -> str:
        """Returns a UUIDv7 string."""


class Priority(IntEnum):
    """What leaves the outbox first, and, counted backwards, what is given up first when it overflows."""

    DRIFT = 0
    SAMPLES = 1
    METRICS = 2
    LOGS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingPackage:
    """A package as the outbox describes it; its bytes are a file.

    Attributes:
        attempt_count: Times its upload was begun.
        mismatch_count: Times the server found another digest than announced.
    """

    package_id: str
    priority: Priority
    size_bytes: int
    sha256: str
    create_time: datetime
    attempt_count: int = 0
    mismatch_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPackage:
    """A package and its bytes, on the way into the outbox."""

    package: OutgoingPackage
    content: bytes


class MessageKind(IntEnum):
    """What a small message of the outbox is."""

    DRIFT_EVENT = 1
    ACKNOWLEDGEMENT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """A message and its wire form, on the way into the outbox."""

    kind: MessageKind
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A small fact that travels by itself: ``content`` is its wire form, ``sequence`` its place in the queue."""

    sequence: int
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxTotals:
    """What waits for a receipt, and what had to be given up since the outbox was made."""

    package_count: int
    size_bytes: int
    message_count: int
    evicted_count: int


class Outbox(Protocol):
    """What the sending side needs of the outbox. A package leaves on a receipt or by the eviction order, only."""

    def next_package(self, skipping: Sequence[str] = ()) -> OutgoingPackage | None:
        """Returns the most urgent package that may be sent, or None."""

    def content_path(self, package_id: str) -> Path:
        """Returns where the bytes of a package are; the file is gone once the package was evicted."""

    def is_whole(self, package: OutgoingPackage) -> bool:
        """Returns whether a package's file still has its digest.

        Raises:
            FileNotFoundError: The package was evicted.
        """

    def note_attempt(self, package_id: str, *, mismatched: bool = False) -> None:
        """Counts the beginning of an upload, or a refusal of its digest."""

    def set_aside(self, package_id: str, reason: str) -> None:
        """Keeps a package that the server will never take, without offering it again."""

    def remove_package(self, package_id: str) -> None:
        """Forgets a package for which a receipt is held."""

    def messages(self, kind: MessageKind, limit: int) -> list[Message]:
        """Returns the oldest messages of a kind that may be sent."""

    def remove_messages(self, sequences: Sequence[int]) -> None:
        """Forgets messages that arrived."""

    def totals(self) -> OutboxTotals:
        """Counts what waits."""

    def value(self, name: str) -> str | None:
        """Returns a value of the device that outlives restarts, or None."""

    def set_value(self, name: str, value: str) -> None:
        """Stores such a value durably."""


class ModelSlots(Protocol):
    """What the fetching side needs of the two model slots."""

    def partial_file(self, bundle_sha256: str) -> Path:
        """Returns where the bytes of a download are appended; a part of another bundle is removed."""

    def stage(self, bundle_sha256: str, *, version: int) -> None:
        """Verifies a complete download and puts it into the idle slot, ready to be switched to.

        Raises:
            BundleError: It must not run here; the message says why. The part is removed.
            StorageFullError: The disk is full.
        """
