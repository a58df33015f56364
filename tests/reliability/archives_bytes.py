"""Archives with hostile bytes: bombs, lies about sizes, damage, and what is no archive at all."""

from __future__ import annotations

import functools
import gzip
import struct
import tarfile
import zipfile

from tests.reliability.archives_craft import (
    ARCHIVES,
    BOMB,
    COMPRESSED,
    CORRUPT,
    EVERY,
    FORBIDDEN,
    INVALID,
    MISMATCH,
    MISSING,
    NOT_AS_TOLD,
    PROCESSED,
    REFUSED,
    REFUSED_OR_RIGHT,
    STEP_FAILED,
    TOO_LARGE,
    Craft,
    Crafted,
    compressed,
    one_line,
)
from tests.tinysphere.ingestion import builders
from tests.tinysphere.ingestion.builders import GZIP, TAR, TAR_GZIP, TAR_ZSTD, ZIP

_MIB = 1024 * 1024
_BLOCK = 512


def honest(craft: Craft) -> Crafted:
    """As devices make them."""
    package_format = craft.rng.choice(EVERY)
    if package_format != GZIP:
        craft.add_state()
    return craft.made(craft.archive(package_format), package_format, PROCESSED)


def bomb(craft: Craft) -> Crafted:
    """Zeros: more than any package may hold, or 4 MiB, which the ratio of deflate (1 to 230) just lets pass."""
    size_mib = craft.rng.choice((4, 17, 24))
    zeros = bytes(size_mib * _MIB)
    craft.entries.append(("zeros.bin", builders.MODEL_STATE, zeros))
    package_format = craft.rng.choice(COMPRESSED)
    allowed = (BOMB, PROCESSED) if size_mib == 4 and package_format != TAR_ZSTD else (BOMB,)
    return craft.made(craft.archive(package_format), package_format, *allowed)


def nested(craft: Craft) -> Crafted:
    """A bomb inside of an entry: bytes like others, never unpacked. Or packed twice over."""
    inner = _small_bomb()
    if craft.rng.random() < 0.5:
        craft.entries.append(("inner.tar.gz", builders.MODEL_STATE, inner))
        package_format = craft.rng.choice(ARCHIVES)
        return craft.made(craft.archive(package_format), package_format, PROCESSED)
    package_format = craft.rng.choice((TAR_GZIP, GZIP))
    return craft.made(gzip.compress(gzip.compress(inner)), package_format, CORRUPT, MISSING, INVALID)


@functools.cache
def _small_bomb() -> bytes:
    return gzip.compress(builders.tarred([("zeros.bin", bytes(16 * _MIB))]), 1)


def overlapping(craft: Craft) -> Crafted:
    """Two entries of a zip's directory with one body, or one body that reaches into the next."""
    craft.entries += [(f"{name}.bin", builders.MODEL_STATE, b"x" * 100) for name in "ab"]
    content = bytearray(builders.zipped(craft.files(), zipfile.ZIP_STORED))
    first, second = (content.rindex(name, 0, content.rindex(b"PK\5\6")) - 46 for name in (b"a.bin", b"b.bin"))
    if craft.rng.random() < 0.5:
        struct.pack_into("<L", content, second + 42, *struct.unpack_from("<L", content, first + 42))
    else:
        struct.pack_into("<LL", content, first + 20, 250, 250)
    return craft.made(bytes(content), ZIP, CORRUPT)


def odd_zip(craft: Craft) -> Crafted:
    """Encrypted, by methods we do not read, or of more parts."""
    method = craft.rng.choice((zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED))
    content = bytearray(builders.zipped(craft.files(), method))
    if method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED):
        flags = content.index(b"PK\1\2") + 8
        if craft.rng.random() < 0.7:
            content[flags + craft.rng.choice((0, 1))] |= 0x21  # bits 0 and 5, or 8 and 13
        else:
            end = content.rindex(b"PK\5\6")
            struct.pack_into("<H", content, end + 4, 1)
    return craft.made(bytes(content), ZIP, FORBIDDEN, CORRUPT)


def truncated(craft: Craft) -> Crafted:
    """Cut anywhere."""
    package_format = craft.rng.choice(EVERY)
    content = craft.archive(package_format)
    cut = content[: craft.rng.randrange(1, len(content))]
    return craft.made(cut, package_format, *REFUSED_OR_RIGHT)


def flipped(craft: Craft) -> Crafted:
    """One to eight bits."""
    package_format = craft.rng.choice(EVERY)
    content = bytearray(craft.archive(package_format))
    for _ in range(craft.rng.randint(1, 8)):
        content[craft.rng.randrange(len(content))] ^= 1 << craft.rng.randrange(8)
    return craft.made(bytes(content), package_format, *REFUSED_OR_RIGHT, STEP_FAILED)


def spliced(craft: Craft) -> Crafted:
    """Pieces of a real archive in another order."""
    package_format = craft.rng.choice(EVERY)
    content = craft.archive(package_format)
    cuts = sorted(craft.rng.randrange(len(content)) for _ in range(3))
    pieces = [content[: cuts[0]], content[cuts[0] : cuts[1]], content[cuts[1] : cuts[2]], content[cuts[2] :]]
    chosen = b"".join(craft.rng.choices(pieces, k=craft.rng.randint(2, 6)))
    return craft.made(chosen or b"x", package_format, *REFUSED_OR_RIGHT)


def wrong_size(craft: Craft) -> Crafted:
    """A header that states another size than the member has: some more, some less, huge, negative."""
    files = craft.files()
    if craft.rng.random() < 0.4:
        content = bytearray(builders.zipped(files, zipfile.ZIP_STORED))
        entry = content.rindex(b"logs.pb", 0, content.rindex(b"PK\5\6")) - 46
        stated = craft.rng.choice((0, 1, len(craft.lines) - 1, len(craft.lines) + 1, 2**31, 2**32 - 2))
        struct.pack_into("<L", content, entry + craft.rng.choice((20, 24)), stated)
        return craft.made(bytes(content), ZIP, *REFUSED)
    plain = bytearray(builders.tarred(files, tarfile.USTAR_FORMAT))
    header = plain.index(b"logs.pb\0")
    plain[header + 124 : header + 136] = craft.rng.choice(
        (
            b"00000000000\0",
            b"00000000001\0",
            b"77777777777\0",
            b"\x80" + (2**62).to_bytes(11, "big"),
            b"\xff" * 12,
            b"-0000000001\0",
            b"            ",
        )
    )
    plain[header + 148 : header + 156] = b" " * 8
    checksum = sum(plain[header : header + _BLOCK])
    plain[header + 148 : header + 156] = f"{checksum:06o}\0 ".encode()
    package_format = craft.rng.choice((TAR, TAR_GZIP, TAR_ZSTD))
    return craft.made(compressed(bytes(plain), package_format), package_format, *REFUSED)


def long_header(craft: Craft) -> Crafted:
    """A name of up to a MiB, in the headers of the two common writers of tar."""
    member = tarfile.TarInfo("x" * craft.rng.choice((70_000, _MIB)))
    plain = member.tobuf(craft.rng.choice((tarfile.PAX_FORMAT, tarfile.GNU_FORMAT))) + bytes(1024)
    package_format = craft.rng.choice((TAR_GZIP, TAR_ZSTD))
    return craft.made(compressed(plain, package_format), package_format, BOMB)


def wrong_digest(craft: Craft) -> Crafted:
    """What is announced, of the whole or of an entry, is not what comes."""
    package_format = craft.rng.choice(EVERY)
    if craft.rng.random() < 0.5:
        content = craft.archive(package_format)
        lie: dict[str, object] = {"sha256": builders.sha256(b"other")}
        if craft.rng.random() < 0.5:
            lie = {"size_bytes": len(content) + craft.rng.choice((-1, 1, 1000))}
        return craft.made(content, package_format, NOT_AS_TOLD, **lie)
    files = craft.files()
    files[1] = ("logs.pb", craft.lines[:-1] + b"!")
    return craft.made(craft.archive(package_format, files), package_format, MISMATCH)


def damaged_manifest(craft: Craft) -> Crafted:
    """No JSON, other JSON, endless JSON, of another package, with a byte gone wrong."""
    manifest = craft.manifest()
    whole = {
        "no JSON": b"{" * craft.rng.randint(1, 2000),
        "deep": b"[" * 100_000,
        "a list": b"[]",
        "a number": b"1e999999",
        "nothing": b"",
        "no text": b"\xff\xfe" + manifest,
        "too large": b" " * (_MIB + 1),
        "other id": builders.manifest(Craft("", 0, craft.rng, craft.outside).package_id, craft.entries),
        "other device": builders.manifest(craft.package_id, craft.entries, device_id="camera-2"),
        "numbers for texts": manifest.replace(b'"logs.pb"', b"17"),
        "size not a number": manifest.replace(b'"sizeBytes": "', b'"sizeBytes": "NaN'),
    }
    package_format = craft.rng.choice(ARCHIVES)
    files = craft.files()
    if craft.rng.random() < 0.7:
        files[0] = ("manifest.json", craft.rng.choice(list(whole.values())))
        return craft.made(craft.archive(package_format, files), package_format, INVALID, BOMB, TOO_LARGE)
    at = craft.rng.randrange(len(manifest))
    files[0] = ("manifest.json", manifest[:at] + craft.rng.randbytes(1) + manifest[at + 1 :])
    return craft.made(craft.archive(package_format, files), package_format, *REFUSED_OR_RIGHT)


def damaged_records(craft: Craft) -> Crafted:
    """An archive in order, and an entry that holds no records."""
    lines = bytearray(craft.lines)
    for _ in range(craft.rng.randint(1, 5)):
        lines[craft.rng.randrange(len(lines))] = craft.rng.randrange(256)
    name = craft.rng.choice(("logs.pb", "logs.jsonl", "logs"))
    kind = craft.rng.choice(list(builders.package_pb2.EntryKind.values())[1:])
    craft.entries = [(name, kind, bytes(lines))]
    package_format = craft.rng.choice(EVERY)
    return craft.made(craft.archive(package_format), package_format, PROCESSED, STEP_FAILED, keeps_line=False)


def other_format(craft: Craft) -> Crafted:
    """One format announced, another sent."""
    stated, actual = craft.rng.sample(EVERY, 2)
    return craft.made(craft.archive(actual), stated, CORRUPT, MISSING, INVALID)


def noise(craft: Craft) -> Crafted:
    """Random bytes, with or without a format's first ones."""
    package_format = craft.rng.choice(EVERY)
    start = craft.rng.choice((b"", b"\x1f\x8b\x08\x08", b"\x28\xb5\x2f\xfd", b"PK\3\4", b"PK\5\6"))
    content = start + craft.rng.randbytes(craft.rng.choice((1, 100, 512, 5000, 70_000)))
    return craft.made(content, package_format, *REFUSED)


def gzip_tail(craft: Craft) -> Crafted:
    """A package of one entry with too little, or more than it says, or another line first."""
    line = one_line(craft.manifest())
    body = craft.rng.choice((craft.lines + b"more", craft.lines * 3, craft.lines[:-1], b""))
    if craft.rng.random() < 0.3:
        line, body = b"\n" + line, craft.lines
    return craft.made(gzip.compress(line + body), GZIP, *REFUSED)
