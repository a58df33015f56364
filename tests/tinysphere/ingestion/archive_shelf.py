"""Bytes on a shelf, read as packages: what the tests of archives share."""

import random
from pathlib import Path

import pytest

from tests.tinysphere.ingestion import builders
from tests.tinysphere.ingestion.builders import (
    METRICS,
    TAR,
    Entry,
    File,
)
from tinymlops.v1 import package_pb2
from tinysphere.domain.ids import new_id
from tinysphere.domain.packages import Manifest, PackageDescriptor
from tinysphere.ingestion.archive.limits import ArchiveError, ArchiveLimits
from tinysphere.ingestion.archive.read import ArchiveReader
from tinysphere.ingestion.archive.verify import verify
from tinysphere.ingestion.convert.packages import read_descriptor, read_manifest
from tinysphere.storage.blobs_files import FileBlobs

MIB = 1024 * 1024
LIMITS = ArchiveLimits(unpacked_max_bytes=16 * MIB, ratio_max=100)
PACKAGE_ID = new_id()
LONG_PATH = "/".join(["a-folder-with-a-long-name"] * 6) + "/" + "x" * 40 + ".pb"
ENTRIES: list[Entry] = [
    ("metrics.pb", METRICS, b"0123456789"),
    ("empty.jsonl", METRICS, b""),
    (LONG_PATH, METRICS, random.Random(1).randbytes(700_000)),
]
FILES: list[File] = [("manifest.json", builders.manifest(PACKAGE_ID, ENTRIES))] + [
    (path, content) for path, _, content in ENTRIES
]


class Shelf:
    """Stores bytes and reads them as a package."""

    def __init__(self, folder: Path) -> None:
        self.blobs = FileBlobs(folder)

    def shelve(
        self, content: bytes, package_format: package_pb2.PackageFormat.ValueType
    ) -> PackageDescriptor:
        described = builders.describe(content, package_format, package_id=PACKAGE_ID)
        descriptor = read_descriptor(described)
        self.blobs.put([content], sha256=descriptor.sha256, size_bytes=len(content))
        return descriptor

    def read(
        self,
        content: bytes,
        package_format: package_pb2.PackageFormat.ValueType,
        limits: ArchiveLimits = LIMITS,
    ) -> list[File]:
        members = ArchiveReader(self.blobs, limits, read_manifest).members(
            self.shelve(content, package_format)
        )
        return [(member.path, b"".join(member.pieces())) for member in members]

    def verify(
        self,
        content: bytes,
        package_format: package_pb2.PackageFormat.ValueType = TAR,
        limits: ArchiveLimits = LIMITS,
    ) -> Manifest:
        package = self.shelve(content, package_format)
        members = ArchiveReader(self.blobs, limits, read_manifest).members(package)
        return verify(members, package, read_manifest).manifest

    def refusal(
        self,
        content: bytes,
        package_format: package_pb2.PackageFormat.ValueType = TAR,
        limits: ArchiveLimits = LIMITS,
    ) -> str:
        with pytest.raises(ArchiveError) as caught:
            self.verify(content, package_format, limits)
        return caught.value.reason


def with_manifest(*files: File) -> list[File]:
    """Files and a manifest that lists them."""
    entries = [(path, METRICS, content) for path, content in files]
    return [("manifest.json", builders.manifest(PACKAGE_ID, entries)), *files]
