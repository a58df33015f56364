"""The walk over archives of strangers: what it reads, what it refuses, that it never breaks otherwise."""

import gzip
import io
import random
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from tests.tinysphere.ingestion import builders
from tests.tinysphere.ingestion.archive_shelf import (
    ENTRIES,
    FILES,
    LIMITS,
    PACKAGE_ID,
    Shelf,
    with_manifest,
)
from tests.tinysphere.ingestion.builders import (
    DEVICE_ID,
    FORMATS,
    TAR,
    TAR_GZIP,
    TAR_ZSTD,
    ZIP,
    archived,
    tarred,
    zipped,
)
from tinymlops.v1 import package_pb2
from tinysphere.ingestion.archive.limits import ArchiveError
from tinysphere.ingestion.archive.read import ArchiveReader
from tinysphere.ingestion.convert.packages import read_manifest


@pytest.mark.parametrize("package_format", FORMATS.values(), ids=FORMATS)
def test_every_format_is_read(shelf: Shelf, package_format: package_pb2.PackageFormat.ValueType) -> None:
    content = archived(FILES, package_format)
    assert shelf.read(content, package_format) == FILES
    found = shelf.verify(content, package_format)
    assert [(entry.path, entry.size_bytes) for entry in found.entries] == [
        (path, len(data)) for path, _, data in ENTRIES
    ]
    assert (found.package_id, found.device_id) == (PACKAGE_ID, DEVICE_ID)


@pytest.mark.parametrize("tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_common_tar_is_read(shelf: Shelf, tar_format: int) -> None:
    assert shelf.read(tarred(FILES, tar_format), TAR) == FILES


def test_stored_zips_and_several_compressed_frames_are_read(shelf: Shelf) -> None:
    assert shelf.read(zipped(FILES, zipfile.ZIP_STORED), ZIP) == FILES
    plain = tarred(FILES)
    halves = plain[:1000], plain[1000:]
    assert shelf.read(b"".join(map(gzip.compress, halves)), TAR_GZIP) == FILES
    assert shelf.read(b"".join(map(zstandard.compress, halves)), TAR_ZSTD) == FILES


def test_what_is_not_read_is_passed_over(shelf: Shelf) -> None:
    for package_format in FORMATS.values():
        package = shelf.shelve(archived(FILES, package_format), package_format)
        members = ArchiveReader(shelf.blobs, LIMITS, read_manifest).members(package)
        assert [(member.path, member.read(3)) for member in members] == [
            (path, data[:3]) for path, data in FILES
        ]


def test_nothing_is_written_anywhere(shelf: Shelf, tmp_path: Path) -> None:
    content = archived(FILES, TAR)
    shelf.shelve(content, TAR)
    before = set(tmp_path.rglob("*"))
    shelf.verify(content)
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("package_format", FORMATS.values(), ids=FORMATS)
def test_truncated_archives_are_corrupt(
    shelf: Shelf, package_format: package_pb2.PackageFormat.ValueType
) -> None:
    content = archived(FILES, package_format)
    needed = len(content) - 10 * 1024 if package_format == TAR else len(content)  # tar pads its end
    for length in {1, 300, 513, 1000, 10_000, needed // 2, needed - 1}:
        assert shelf.refusal(content[:length], package_format) == "ARCHIVE_CORRUPT"


@pytest.mark.parametrize("package_format", FORMATS.values(), ids=FORMATS)
def test_flipped_bits_are_never_taken_for_the_real_thing(
    shelf: Shelf, package_format: package_pb2.PackageFormat.ValueType
) -> None:
    content = archived(FILES, package_format)
    rng = random.Random(7)
    for _ in range(150):
        damaged = bytearray(content)
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        try:
            found = shelf.verify(bytes(damaged), package_format)
        except ArchiveError:
            continue
        assert [entry.sha256 for entry in found.entries] == [builders.sha256(data) for _, _, data in ENTRIES]


@pytest.mark.parametrize("package_format", FORMATS.values(), ids=FORMATS)
def test_random_bytes_are_corrupt(shelf: Shelf, package_format: package_pb2.PackageFormat.ValueType) -> None:
    rng = random.Random(8)
    for size in (1, 100, 512, 600, 5000):
        assert shelf.refusal(rng.randbytes(size), package_format) == "ARCHIVE_CORRUPT"


def test_another_format_than_stated_is_corrupt(shelf: Shelf) -> None:
    for stated in FORMATS.values():
        for actual in FORMATS.values():
            if stated != actual:
                assert shelf.refusal(archived(FILES, actual), stated) == "ARCHIVE_CORRUPT"


PATHS = [
    "/etc/passwd",
    "../escape.pb",
    "a/../../escape.pb",
    "a/./b.pb",
    "a//b.pb",
    "a\\b.pb",
    "C:evil.pb",
    "na\u00efve.pb",
    "with space.pb",
    "trailing/",
    "x" * 201,
    ".",
    "..",
]


@pytest.mark.parametrize("path", PATHS)
def test_paths_that_are_not_plain_are_refused(shelf: Shelf, path: str) -> None:
    assert shelf.refusal(tarred(with_manifest((path, b"x")))) == "ARCHIVE_FORBIDDEN_MEMBER"
    if not path.endswith("/"):
        assert shelf.refusal(zipped(with_manifest((path, b"x"))), ZIP) == "ARCHIVE_FORBIDDEN_MEMBER"


@pytest.mark.parametrize(
    "kind",
    [
        tarfile.LNKTYPE,
        tarfile.SYMTYPE,
        tarfile.CHRTYPE,
        tarfile.BLKTYPE,
        tarfile.DIRTYPE,
        tarfile.FIFOTYPE,
        tarfile.GNUTYPE_SPARSE,
        b"?",
    ],
)
def test_only_regular_files_are_read(shelf: Shelf, kind: bytes) -> None:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path, content in FILES[:1]:
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        special = tarfile.TarInfo("metrics.pb")
        special.type, special.linkname = kind, "/etc/passwd"
        archive.addfile(special)
    assert shelf.refusal(target.getvalue()) == "ARCHIVE_FORBIDDEN_MEMBER"


def test_links_in_zips_are_refused(shelf: Shelf) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(*FILES[0])
        link = zipfile.ZipInfo("metrics.pb")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    assert shelf.refusal(target.getvalue(), ZIP) == "ARCHIVE_FORBIDDEN_MEMBER"


def test_encrypted_and_oddly_compressed_zips_are_refused(shelf: Shelf) -> None:
    content = bytearray(zipped(FILES))
    directory = content.index(b"PK\1\2")
    content[directory + 8] |= 1
    assert shelf.refusal(bytes(content), ZIP) == "ARCHIVE_FORBIDDEN_MEMBER"
    assert shelf.refusal(zipped(FILES, zipfile.ZIP_LZMA), ZIP) == "ARCHIVE_FORBIDDEN_MEMBER"


def test_overlapping_zip_members_are_refused(shelf: Shelf) -> None:
    """Two directory entries, one body: the trick behind the best bombs."""
    content = zipped(with_manifest(("a.pb", b"x" * 100), ("b.pb", b"x" * 100)), zipfile.ZIP_STORED)
    first, second = (content.rindex(name, 0, content.rindex(b"PK\5\6")) - 46 for name in (b"a.pb", b"b.pb"))
    overlapping = bytearray(content)
    offset_of_first = struct.unpack_from("<L", content, first + 42)
    struct.pack_into("<L", overlapping, second + 42, *offset_of_first)
    assert shelf.refusal(bytes(overlapping), ZIP) == "ARCHIVE_CORRUPT"
    longer = bytearray(content)
    struct.pack_into("<LL", longer, first + 20, 250, 250)
    assert shelf.refusal(bytes(longer), ZIP) == "ARCHIVE_CORRUPT"


def test_a_zip_that_names_a_file_twice_differently_is_refused(shelf: Shelf) -> None:
    content = zipped(FILES).replace(b"metrics.pb", b"escapes.pb", 1)  # in the local header only
    assert shelf.refusal(content, ZIP) == "ARCHIVE_CORRUPT"


def test_a_zip_that_lies_about_sizes_is_refused(shelf: Shelf) -> None:
    content = zipped(with_manifest(("a.pb", bytes(100_000))))
    entry = content.rindex(b"a.pb", 0, content.rindex(b"PK\5\6")) - 46
    for stated in (99_999, 100_001):
        lying = bytearray(content)
        struct.pack_into("<L", lying, entry + 24, stated)
        assert shelf.refusal(bytes(lying), ZIP) in ("ARCHIVE_CORRUPT", "ENTRY_MISMATCH")


@pytest.mark.parametrize("write", [tarred, zipped])
def test_mutated_archives_are_refused_or_right(shelf: Shelf, write: Callable[..., bytes]) -> None:
    """Splices, repetitions and cuts of a real archive: whatever happens, it is an ArchiveError or the truth."""
    content, rng = write(FILES[:3] + with_manifest(("a.pb", b"y" * 5000))[1:]), random.Random(9)
    package_format = TAR if write is tarred else ZIP
    for _ in range(300):
        start, end, at = sorted(rng.randrange(len(content)) for _ in range(3))
        mutated = content[:start] + content[at:] + content[end : end + rng.randrange(2000)]
        try:
            read = shelf.read(mutated or b"x", package_format)
        except ArchiveError:
            continue
        assert all(len(path) <= 200 for path, _ in read)
