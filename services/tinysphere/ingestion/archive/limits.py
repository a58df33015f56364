"""What an archive may be, and why it is refused."""

import re
from dataclasses import dataclass

from tinysphere.errors import InvalidRequestError

MAX_MEMBERS = 1001  # the manifest and 1,000 entries
MAX_PATH_CHARACTERS = 200
MAX_MANIFEST_BYTES = 1024 * 1024

_PATH = re.compile(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*")


class ArchiveError(InvalidRequestError):
    """An archive that is refused; ``reason`` is the package's ``error_reason``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveLimits:
    """Bounds on what an archive unpacks to: bytes, and bytes for each stored byte beyond the first MiB."""

    unpacked_max_bytes: int
    ratio_max: int

    def unpacked_bytes(self, stored_bytes: int) -> int:
        """Most bytes an archive of that size may unpack to."""
        return min(self.unpacked_max_bytes, 1024 * 1024 + stored_bytes * self.ratio_max)


def corrupt(what: str) -> ArchiveError:
    """The archive's bytes make no sense."""
    return ArchiveError("ARCHIVE_CORRUPT", what)


def bomb(what: str) -> ArchiveError:
    """The archive is larger inside than it may be."""
    return ArchiveError("ARCHIVE_BOMB", what)


def forbidden(what: str) -> ArchiveError:
    """The archive holds what no package may hold."""
    return ArchiveError("ARCHIVE_FORBIDDEN_MEMBER", what)


def check_path(path: str) -> str:
    """A relative path of plain characters without "." or ".." parts.

    Raises:
        ArchiveError: ARCHIVE_FORBIDDEN_MEMBER.
    """
    parts = path.split("/")
    if len(path) > MAX_PATH_CHARACTERS or not _PATH.fullmatch(path) or "." in parts or ".." in parts:
        raise forbidden(f"path {path[:MAX_PATH_CHARACTERS]!r} is not relative, plain and short")
    return path
