"""What the device predicted, one JSON object a line, for whoever wants to score it.

Files: ``predictions.jsonl`` and, older, ``predictions.jsonl.1``, ``.2`` and so on. Lines are written in blocks, at the
latest when the device's state is saved; after a crash the frames since then are predicted again, so that an index
may stand in the log twice (the later line counts) but is never missing.
"""

import json
import logging
from collections.abc import Mapping
from pathlib import Path

from tinylcm.adapters.files import is_full

_LOGGER = logging.getLogger(__name__)
_MAX_PENDING = 512


class PredictionLog:
    """Appends to bounded, rotating files; memory and disk stay within their bounds."""

    def __init__(self, path: Path, *, max_bytes: int, keep_count: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._keep_count = keep_count
        self._pending: list[str] = []
        self._size_bytes = path.stat().st_size if path.exists() else 0
        self._mend()

    def append(self, entry: Mapping[str, object]) -> None:
        """Takes one prediction; it reaches the file with the next block."""
        self._pending.append(json.dumps(entry, separators=(",", ":")) + "\n")
        if len(self._pending) >= _MAX_PENDING:
            self.flush()

    def flush(self) -> None:
        """Writes what is pending; with a full disk it is given up, since predicting matters more."""
        if not self._pending:
            return
        block = "".join(self._pending).encode()
        self._pending.clear()
        try:
            self._write(block)
        except OSError as error:
            if not is_full(error):
                raise
            _LOGGER.warning("%d bytes of the prediction log are given up: %s", len(block), error)

    def _write(self, block: bytes) -> None:
        if self._size_bytes and self._size_bytes + len(block) > self._max_bytes:
            self._rotate()
        with self._path.open("ab") as file:
            file.write(block)
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
