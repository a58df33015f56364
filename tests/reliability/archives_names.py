"""Archives with hostile members: names that lead elsewhere or look alike, links, devices, far too many."""

from __future__ import annotations

import io
import tarfile
import warnings
import zipfile
from collections.abc import Sequence

from tests.reliability.archives_craft import (
    ARCHIVES,
    BOMB,
    FORBIDDEN,
    INVALID,
    MISMATCH,
    PROCESSED,
    Craft,
    Crafted,
    compressed,
)
from tests.tinysphere.ingestion import builders
from tests.tinysphere.ingestion.builders import TAR, TAR_GZIP, TAR_ZSTD, ZIP

_TARS = (TAR, TAR_GZIP, TAR_ZSTD)
_SPECIAL = (
    tarfile.LNKTYPE,
    tarfile.SYMTYPE,
    tarfile.CHRTYPE,
    tarfile.BLKTYPE,
    tarfile.DIRTYPE,
    tarfile.FIFOTYPE,
    tarfile.GNUTYPE_SPARSE,
    b"?",
    b"V",
)
_ZIP_MODES = (
    0o120777,
    0o020666,
    0o060666,
    0o010666,
    0o140777,
    0o040755,
)  # link, devices, FIFO, socket, folder


def escaping_path(craft: Craft) -> Crafted:
    """A path that leads out, or looks like another."""
    up = "../" * craft.rng.randint(1, 12)
    inside = f"a/{'../' * 9}"
    path = craft.rng.choice(
        (
            f"{up}escape",
            f"{inside}escape",
            f"{craft.outside}/escape",
            f"{up}{craft.outside}/escape",
            "..\\..\\escape",
            "C:\\escape",
            "a/./b",
            "a//b",
            "./logs.pb",
            "l\u043egs.pb",  # Cyrillic
            "logs.pb ",
            "logs\u200b.pb",
            "\uff4cogs.pb"  # full width
            "..",
            "x" * 300,
            "/".join("d" * 150),
            "~/escape",
            "con\n.pb",
            "-rf *",
        )
    )
    craft.entries.insert(craft.rng.randrange(2), (path, builders.MODEL_STATE, b"escaped"))
    package_format = craft.rng.choice(ARCHIVES)
    return craft.made(craft.archive(package_format), package_format, FORBIDDEN)


def nul_in_name(craft: Craft) -> Crafted:
    """A name that ends for one reader and goes on for another."""
    if craft.rng.random() < 0.5:
        files = craft.files()
        files[1] = (f"logs.pb\0{'../' * 5}escape", files[1][1])
        package_format = craft.rng.choice(_TARS)
        plain = builders.tarred(files, tarfile.USTAR_FORMAT)
        return craft.made(compressed(plain, package_format), package_format, FORBIDDEN, PROCESSED)
    craft.entries.append(("a@../escape", builders.MODEL_STATE, b"escaped"))
    content = craft.archive(ZIP).replace(b"a@../escape", b"a\0../escape")
    return craft.made(content, ZIP, FORBIDDEN)


def special_member(craft: Craft) -> Crafted:
    """Links, chains of links, devices, pipes, folders, and kinds nobody knows, anywhere in a tar."""
    target = io.BytesIO()
    files = craft.files()
    places = {craft.rng.randrange(len(files) + 1) for _ in range(craft.rng.randint(1, 3))}
    with tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for place in range(len(files) + 1):
            if place in places:
                _add_special(archive, craft, place)
            if place < len(files):
                member = tarfile.TarInfo(files[place][0])
                member.size = len(files[place][1])
                archive.addfile(member, io.BytesIO(files[place][1]))
    package_format = craft.rng.choice(_TARS)
    return craft.made(compressed(target.getvalue(), package_format), package_format, FORBIDDEN)


def _add_special(archive: tarfile.TarFile, craft: Craft, place: int) -> None:
    """One special member, and a file beyond it, as if it were a way."""
    special = tarfile.TarInfo(craft.rng.choice(("way", "logs.pb", "manifest.json", f"way{place}")))
    special.type = craft.rng.choice(_SPECIAL)
    special.linkname = craft.rng.choice(("..", "/etc/passwd", str(craft.outside), "way", "manifest.json"))
    archive.addfile(special)
    archive.addfile(tarfile.TarInfo(f"{special.name}/escape"))


def special_zip_member(craft: Craft) -> Crafted:
    """Attributes of a link, device, pipe, socket or folder."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for path, content in craft.files():
            archive.writestr(path, content)
        way = zipfile.ZipInfo(craft.rng.choice(("way", "state.bin")))
        way.create_system, way.external_attr = 3, craft.rng.choice(_ZIP_MODES) << 16
        archive.writestr(way, str(craft.outside))
    return craft.made(target.getvalue(), ZIP, FORBIDDEN)


def duplicate(craft: Craft) -> Crafted:
    """One member twice: the same, or with other contents, listed once or twice."""
    files = craft.files()
    path, content = craft.rng.choice(files)
    files.insert(craft.rng.randint(1, len(files)), (path, craft.rng.choice((content, b"other"))))
    if craft.rng.random() < 0.3:
        craft.entries *= 2
        files = craft.files()
    package_format = craft.rng.choice(ARCHIVES)
    return craft.made(craft.archive(package_format, files), package_format, INVALID, MISMATCH)


def look_alike(craft: Craft) -> Crafted:
    """Names that are one on some file systems: nothing here becomes a file by its name, so they are two."""
    for path in craft.rng.sample(("LOGS.PB", "logs.PB", "logs.pb.", "logs.pb..", "CON", "nul.pb"), 2):
        craft.entries.append((path, builders.MODEL_STATE, craft.rng.randbytes(5)))
    package_format = craft.rng.choice(ARCHIVES)
    return craft.made(craft.archive(package_format), package_format, PROCESSED)


def many_members(craft: Craft) -> Crafted:
    """Up to 20,000 empty members beyond what a package may hold."""
    count = craft.rng.choice((1001, 1500, 20_000))
    extra = [(f"f{number}", b"") for number in range(count)]
    if count <= 1500 and craft.rng.random() < 0.5:
        craft.entries += [(path, builders.MODEL_STATE, content) for path, content in extra]
        extra = []
    package_format = craft.rng.choice((TAR_ZSTD, TAR_GZIP) if count > 1500 else (TAR_ZSTD, TAR_GZIP, ZIP))
    files: Sequence[builders.File] = [*craft.files(), *extra]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        content = craft.archive(package_format, files)
    return craft.made(content, package_format, BOMB, INVALID)
