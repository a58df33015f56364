"""One archive to be made hostile: honest contents like no other's, and what may become of it."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import zstandard

from tests.tinysphere.ingestion import builders
from tests.tinysphere.ingestion.builders import GZIP, TAR, TAR_GZIP, TAR_ZSTD, ZIP, Entry, File
from tinymlops.v1 import package_pb2
from tinysphere.domain.ids import new_id

Format = package_pb2.PackageFormat.ValueType

CORRUPT, BOMB, FORBIDDEN = "ARCHIVE_CORRUPT", "ARCHIVE_BOMB", "ARCHIVE_FORBIDDEN_MEMBER"
MISSING, INVALID, MISMATCH = "MANIFEST_MISSING", "MANIFEST_INVALID", "ENTRY_MISMATCH"
NOT_AS_TOLD, TOO_LARGE = "DIGEST_MISMATCH", "PACKAGE_TOO_LARGE"
PROCESSED, STEP_FAILED = "PROCESSED", "STEP_FAILED"
REFUSED = frozenset({CORRUPT, BOMB, FORBIDDEN, MISSING, INVALID, MISMATCH})
REFUSED_OR_RIGHT = REFUSED | {PROCESSED}

COMPRESSED: Sequence[Format] = (TAR_ZSTD, TAR_GZIP, ZIP)
ARCHIVES: Sequence[Format] = (*COMPRESSED, TAR)
EVERY: Sequence[Format] = (*ARCHIVES, GZIP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crafted:
    """An archive to send.

    Attributes:
        number: Its log line says "archive <number>".
        allowed: What may become of it: a reason of refusal, or PROCESSED.
        keeps_line: Whether its log line is there once, if it is processed.
    """

    number: int
    kind: str
    descriptor: package_pb2.PackageDescriptor
    content: bytes
    allowed: frozenset[str]
    keeps_line: bool = True


class Craft:
    """Honest contents of package ``number``, and chance; paths of escape lead to ``outside``."""

    def __init__(self, kind: str, number: int, rng: random.Random, outside: Path) -> None:
        self._kind = kind
        self._number = number
        self.rng = rng
        self.outside = outside
        self.package_id = new_id()
        self.lines = builders.delimited([builders.log_record(message=f"archive {number}")])
        self.entries: list[Entry] = [("logs.pb", builders.LOGS, self.lines)]

    def add_state(self) -> None:
        """A second entry, of up to 100 kB, stored as a file; not for GZIP, which holds one."""
        size = self.rng.choice((0, 10, 3000, 100_000))
        self.entries.append(("state.bin", builders.MODEL_STATE, self.rng.randbytes(size)))

    def manifest(self) -> bytes:
        """What the entries are."""
        return builders.manifest(self.package_id, self.entries)

    def files(self) -> list[File]:
        """The manifest and the entries, in order."""
        return [
            ("manifest.json", self.manifest()),
            *((path, content) for path, _, content in self.entries),
        ]

    def archive(self, package_format: Format, files: Sequence[File] | None = None) -> bytes:
        """Files as an archive, the honest ones unless told."""
        return builders.archived(self.files() if files is None else files, package_format)

    def made(
        self,
        content: bytes,
        package_format: Format,
        *allowed: str,
        keeps_line: bool = True,
        **described: object,
    ) -> Crafted:
        """The archive, and what may become of it."""
        descriptor = builders.describe(
            content, package_format, **{"package_id": self.package_id, **described}
        )
        return Crafted(
            number=self._number,
            kind=self._kind,
            descriptor=descriptor,
            content=content,
            allowed=frozenset(allowed),
            keeps_line=keeps_line,
        )


def compressed(plain: bytes, package_format: Format) -> bytes:
    """A tar's bytes as the format stores them; of ZIP, as they are."""
    if package_format == TAR_GZIP:
        return gzip.compress(plain, 1)
    return zstandard.ZstdCompressor(level=1).compress(plain) if package_format == TAR_ZSTD else plain


def one_line(manifest: bytes) -> bytes:
    """The manifest as GZIP packages begin."""
    return json.dumps(json.loads(manifest)).encode() + b"\n"
