"""What the device predicted, one JSON object a line, for whoever wants to score it.

Files: ``predictions.jsonl`` and, older, ``predictions.jsonl.1``, ``.2`` and so on. Lines are written in blocks, and
synced before the device's state is; after a crash the frames since then are predicted again, so that an index may
stand in the log twice (the later line counts). One is missing only where the disk was full or too slow, and counted.
"""

import json
import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tinylcm.adapters.files import sync_file

_LOGGER = logging.getLogger(__name__)
_ENCODER = json.JSONEncoder(separators=(",", ":"))


class PredictionLog:
    """Appends to bounded, rotating files.

    Attributes:
        given_up_count: Lines that could not be written since it was made.
    """

    def __init__(self, path: Path, *, max_bytes: int, keep_count: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._keep_count = keep_count
        self._size_bytes = path.stat().st_size if path.exists() else 0
        self.given_up_count = 0
        self._mend()

    def write(self, entries: Sequence[Mapping[str, object]], *, durably: bool = False) -> None:
        """Appends predictions; what the disk does not take is given up, since predicting matters more.

        Args:
            entries: JSON values; may be empty.
            durably: Whether to wait until these and all lines before them have reached the disk.
        """
        lines = [_ENCODER.encode(entry) + "\n" for entry in entries]
        try:
            self._write("".join(lines).encode(), durably)
        except OSError as error:
            self.given_up_count += len(lines)
            _LOGGER.warning("%d lines of the prediction log are given up: %s", len(lines), error)

    def _write(self, block: bytes, durably: bool) -> None:
        if self._size_bytes and self._size_bytes + len(block) > self._max_bytes:
            self._rotate()
        try:
            with self._path.open("ab") as file:
                file.write(block)
                file.flush()
                if durably:
                    sync_file(file.fileno())
        except OSError:
            with suppress(OSError):
                os.truncate(self._path, self._size_bytes)  # half a line would spoil the next one
            raise
        self._size_bytes += len(block)

    def _rotate(self) -> None:
        for number in range(self._keep_count, 0, -1):
            newer = self._numbered(number - 1)
            if newer.exists():
                newer.replace(self._numbered(number))
        self._path.unlink(missing_ok=True)
        self._size_bytes = 0

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}") if number else self._path

    def _mend(self) -> None:
        """A crash may have left half a line: end it, so that the next one stands alone."""
        if self._size_bytes:
            with self._path.open("rb+") as file:
                file.seek(-1, 2)
                if file.read(1) != b"\n":
                    file.write(b"\n")
                    self._size_bytes += 1
