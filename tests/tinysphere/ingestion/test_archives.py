"""The walk over archives of strangers: what it reads, what it refuses, that it never breaks otherwise."""

import gzip
import io
import random
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard
from google.protobuf import json_format

from tests.tinysphere.ingestion import builders
from tests.tinysphere.ingestion.builders import (
    DEVICE_ID,
    FORMATS,
    METRICS,
    TAR,
    TAR_GZIP,
    TAR_ZSTD,
    ZIP,
    Entry,
    File,
    archived,
    tarred,
    zipped,
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


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def with_manifest(*files: File) -> list[File]:
    """Files and a manifest that lists them."""
    entries = [(path, METRICS, content) for path, content in files]
    return [("manifest.json", builders.manifest(PACKAGE_ID, entries)), *files]


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


ZEROS = bytes(4 * MIB)


@pytest.mark.parametrize("package_format", [TAR_ZSTD, TAR_GZIP, ZIP], ids=["tar.zst", "tar.gz", "zip"])
def test_bombs_are_refused(shelf: Shelf, package_format: package_pb2.PackageFormat.ValueType) -> None:
    by_ratio = archived(with_manifest(("zeros.pb", ZEROS)), package_format)
    assert shelf.refusal(by_ratio, package_format) == "ARCHIVE_BOMB"
    generous = ArchiveLimits(unpacked_max_bytes=16 * MIB, ratio_max=100_000)
    assert shelf.verify(by_ratio, package_format, generous)
    by_size = replace(generous, unpacked_max_bytes=3 * MIB)
    assert shelf.refusal(by_ratio, package_format, by_size) == "ARCHIVE_BOMB"


def test_a_bomb_costs_little_memory(shelf: Shelf) -> None:
    header = bytearray(tarred([("huge.pb", b"")])[:512])
    header[124:136] = b"\x80" + (2**60).to_bytes(11, "big")
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    bomb = zstandard.compress(bytes(header) + bytes(200 * MIB))
    limits = ArchiveLimits(unpacked_max_bytes=2**62, ratio_max=2**40)
    package = shelf.shelve(bomb, TAR_ZSTD)
    tracemalloc.start()
    with pytest.raises(ArchiveError) as caught:
        [member.skip() for member in ArchiveReader(shelf.blobs, limits, read_manifest).members(package)]
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.reason == "ARCHIVE_CORRUPT"
    assert peak_bytes < 4 * MIB


def test_huge_windows_are_refused(shelf: Shelf) -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    content = compressor.compress(tarred(FILES)) + compressor.flush()
    assert shelf.refusal(content, TAR_ZSTD) == "ARCHIVE_CORRUPT"


def test_long_headers_are_refused(shelf: Shelf) -> None:
    member = tarfile.TarInfo("x" * 100_000)
    for tar_format in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        content = member.tobuf(tar_format) + bytes(1024)
        assert shelf.refusal(content) == "ARCHIVE_BOMB"


def test_endless_gzip_headers_end(shelf: Shelf) -> None:
    name_without_end = b"\x1f\x8b\x08\x08" + bytes(6) + b"x" * (4 * MIB)
    assert shelf.refusal(name_without_end, TAR_GZIP) == "ARCHIVE_CORRUPT"


def test_too_many_members_are_refused(shelf: Shelf) -> None:
    many = [(f"f{number}", b"") for number in range(1001)]
    limits = ArchiveLimits(unpacked_max_bytes=2**40, ratio_max=10_000)
    with pytest.raises(ArchiveError) as caught:
        shelf.read(tarred([FILES[0], *many]), TAR, limits)
    assert caught.value.reason == "ARCHIVE_BOMB"
    with pytest.raises(ArchiveError) as caught:
        shelf.read(zipped([FILES[0], *many]), ZIP, limits)
    assert caught.value.reason == "ARCHIVE_BOMB"


def pax_header(*records: tuple[bytes, bytes]) -> bytes:
    member = tarfile.TarInfo("metrics.pb")
    content = b""
    for key, value in records:
        rest = b" " + key + b"=" + value + b"\n"
        length = len(rest) + len(str(len(rest) + 2))
        content += str(length).encode() + rest
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, len(content)
    padded = content + bytes(-len(content) % 512)
    return header.tobuf(tarfile.USTAR_FORMAT) + padded + member.tobuf(tarfile.USTAR_FORMAT) + bytes(1024)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (pax_header((b"path", b"../../escape")), "ARCHIVE_FORBIDDEN_MEMBER"),
        (pax_header((b"GNU.sparse.major", b"1")), "ARCHIVE_FORBIDDEN_MEMBER"),
        (pax_header((b"size", b"-1")), "ARCHIVE_CORRUPT"),
        (pax_header((b"size", b"9" * 30)), "ARCHIVE_CORRUPT"),
        (pax_header((b"path", b"x.pb")).replace(b"path=", b"path+", 1), "ARCHIVE_CORRUPT"),
    ],
)
def test_extended_headers_do_not_get_around_the_rules(shelf: Shelf, content: bytes, reason: str) -> None:
    with pytest.raises(ArchiveError) as caught:
        shelf.read(content, TAR)
    assert caught.value.reason == reason


def changed(**changes: object) -> bytes:
    """The manifest of `ENTRIES` with some fields changed."""
    message = json_format.Parse(FILES[0][1], package_pb2.PackageManifest())
    for name, value in changes.items():
        setattr(message, name, value)
    return json_format.MessageToJson(message).encode()


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ([], "MANIFEST_MISSING"),
        (FILES[1:], "MANIFEST_MISSING"),
        ([FILES[1], FILES[0], *FILES[2:]], "MANIFEST_MISSING"),
        ([("manifest.json", b"{"), *FILES[1:]], "MANIFEST_INVALID"),
        ([("manifest.json", b"\xff\xfe"), *FILES[1:]], "MANIFEST_INVALID"),
        ([("manifest.json", b"[" * 100_000), *FILES[1:]], "MANIFEST_INVALID"),
        ([("manifest.json", b" " * (MIB + 1)), *FILES[1:]], "MANIFEST_INVALID"),
        ([("manifest.json", b"{}"), *FILES[1:]], "MANIFEST_INVALID"),
        ([("manifest.json", changed(package_id=new_id())), *FILES[1:]], "MANIFEST_INVALID"),
        ([("manifest.json", changed(device_id="camera-2")), *FILES[1:]], "MANIFEST_INVALID"),
        (FILES[:-1], "MANIFEST_INVALID"),
        ([*FILES, ("unlisted.pb", b"x")], "MANIFEST_INVALID"),
        ([*FILES, FILES[-1]], "MANIFEST_INVALID"),
        ([FILES[0], FILES[2], FILES[1], FILES[3]], "MANIFEST_INVALID"),
        ([*FILES[:3], (LONG_PATH, b"other")], "ENTRY_MISMATCH"),
        ([*FILES[:3], (LONG_PATH, bytes(700_000))], "ENTRY_MISMATCH"),
    ],
)
def test_what_the_manifest_does_not_say_is_refused(shelf: Shelf, files: list[File], reason: str) -> None:
    assert shelf.refusal(tarred(files)) == reason
    assert shelf.refusal(zipped(files), ZIP) == reason


def test_a_path_listed_twice_is_refused(shelf: Shelf) -> None:
    twice = with_manifest(("a.pb", b"x"), ("a.pb", b"x"))
    assert shelf.refusal(tarred(twice)) == "MANIFEST_INVALID"


def test_unknown_kinds_are_refused_and_unknown_fields_are_not(shelf: Shelf) -> None:
    text = FILES[0][1].decode()
    later_kind = text.replace("ENTRY_KIND_METRICS", "ENTRY_KIND_OF_A_LATER_VERSION", 1).encode()
    assert shelf.refusal(tarred([("manifest.json", later_kind), *FILES[1:]])) == "MANIFEST_INVALID"
    later_field = text.replace("{", '{"fieldOfALaterVersion": 1,', 1).encode()
    assert shelf.verify(tarred([("manifest.json", later_field), *FILES[1:]]))


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
