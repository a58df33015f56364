"""What the device needs of the world, as protocols; `adapters` makes them real."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tinylcm.records import FloatVector, Frame, Image

Arrays = Mapping[str, NDArray[np.generic]]
Json = dict[str, Any]


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
    """A folder, a recorded stream, a camera, a sensor."""

    def frames(self, first_index: int) -> Iterator[Frame]:
        """Yields frames from ``first_index`` on; a live source goes on counting from there."""


class ImageEncoder(Protocol):
    """Makes the picture a reviewer sees; a source without pictures has none."""

    def encode(self, content: NDArray[np.generic]) -> Image | None:
        """Returns the picture of a frame's content, or None when it has none."""


class SnapshotStore(Protocol):
    """Keeps the newest committed states of a device, safe against power cuts."""

    def save(self, meta: Json, arrays: Arrays) -> str:
        """Stores one state durably and returns its snapshot id; older ones are pruned.

        Raises:
            StorageFullError: The disk is full; the previous snapshots stand.
        """

    def load_newest(self) -> tuple[str, Json, dict[str, NDArray[np.generic]]] | None:
        """Returns id, meta and arrays of the newest snapshot that is whole, or None when there is none."""


class Clock(Protocol):
    """Time and identity, passed in so that tests and replays choose them."""

    def now(self) -> datetime:
        """Returns the wall clock, aware UTC."""

    def monotonic_s(self) -> float:
        """Returns seconds that never run backwards."""

    def new_id(self) -> str:
        """Returns a UUIDv7 string."""
