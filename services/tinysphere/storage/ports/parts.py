"""Part files: the bytes of unfinished uploads, one private file each."""

from pathlib import Path
from typing import Protocol


class Part(Protocol):
    """The open file of one upload; its caller lets one thread at a time use it."""

    def committed(self) -> int:
        """Bytes that `commit` made durable, by this process or an earlier one; never more than the file has."""

    def truncate(self, size_bytes: int) -> None:
        """Cut the file."""

    def write(self, data: bytes | memoryview, offset: int) -> None:
        """Write all of ``data`` at ``offset``.

        Raises:
            ExhaustedError: DISK_FULL; part of ``data`` may have been written.
        """

    def commit(self, size_bytes: int) -> None:
        """Make everything written durable, and then the fact that it is: ``size_bytes`` from the beginning, no fewer
        than before.

        Raises:
            ExhaustedError: DISK_FULL.
        """

    def read(self, offset: int) -> bytes:
        """At most 1 MiB from ``offset``; empty at the end."""

    def close(self) -> None:
        """Close the file."""


class Parts(Protocol):
    """All part files of a server, by the server's own upload ids."""

    def open(self, upload_id: str) -> Part:
        """Open or create a part file, its name durable."""

    def path(self, upload_id: str) -> Path:
        """Where a part file is."""

    def committed(self, upload_id: str) -> int:
        """See `Part.committed`; 0 without a file."""

    def delete(self, upload_id: str) -> None:
        """Remove a part file, if there is one."""

    def upload_ids(self) -> set[str]:
        """Uploads that have a part file."""

    def check_room(self, wanted_bytes: int) -> None:
        """Refuse what would leave too little of the disk free.

        Raises:
            ExhaustedError: DISK_FULL.
        """
