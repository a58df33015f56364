"""Archives that would cost too much: bombs, endless headers, too many members; and headers that hide something."""

import tarfile
import tracemalloc
from dataclasses import replace

import pytest
import zstandard

from tests.tinysphere.ingestion.archive_shelf import FILES, MIB, Shelf, with_manifest
from tests.tinysphere.ingestion.builders import (
    TAR,
    TAR_GZIP,
    TAR_ZSTD,
    ZIP,
    archived,
    tarred,
    zipped,
)
from tinymlops.v1 import package_pb2
from tinysphere.ingestion.archive.limits import ArchiveError, ArchiveLimits
from tinysphere.ingestion.archive.read import ArchiveReader
from tinysphere.ingestion.convert.packages import read_manifest

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
