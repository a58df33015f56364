"""One regular file of an archive, while it is being read."""

from collections.abc import Callable, Iterator

from tinysphere.ingestion.archive.limits import corrupt

PIECE_BYTES = 256 * 1024


class Member:
    """A file to read once, from front to back, before the walk goes on.

    Attributes:
        path: As the archive names it, checked.
        size_bytes: As the archive states it.
    """

    def __init__(self, path: str, size_bytes: int, read: Callable[[int], bytes]) -> None:
        self.path = path
        self.size_bytes = size_bytes
        self._read = read
        self._left_bytes = size_bytes

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; fewer only at the member's end.

        Raises:
            ArchiveError: the archive ends early, or its bytes make no sense.
        """
        wanted = min(size, self._left_bytes)
        data = self._read(wanted) if wanted else b""
        if len(data) != wanted:
            raise corrupt(f"ends inside {self.path}")
        self._left_bytes -= wanted
        return data

    def pieces(self) -> Iterator[bytes]:
        """What is left, in pieces of at most 256 KiB."""
        while piece := self.read(PIECE_BYTES):
            yield piece

    def skip(self) -> None:
        """Pass over what is left."""
        for _ in self.pieces():
            pass
