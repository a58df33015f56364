"""Reads a whole archive once and says whether it is what its manifest says."""

import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tinysphere.domain.packages import Manifest, ManifestEntry, PackageDescriptor
from tinysphere.errors import InvalidFieldError
from tinysphere.ingestion.archive.limits import MAX_MANIFEST_BYTES, ArchiveError, check_path
from tinysphere.ingestion.archive.member import Member

MANIFEST_PATH = "manifest.json"
MAX_KEPT_BYTES = 4 * 1024 * 1024  # unpacked: so much is read once, and more again for each step

ParseManifest = Callable[[bytes], Manifest]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A manifest that tells the truth; ``contents`` of its entries, in order, unless they are large together."""

    manifest: Manifest
    contents: Sequence[bytes] | None

    @property
    def unpacked_bytes(self) -> int:
        """Of its entries together."""
        return sum(entry.size_bytes for entry in self.manifest.entries)

    def files(self) -> Iterator[tuple[ManifestEntry, Member]]:
        """Each entry and its content, which must have been kept."""
        for entry, content in zip(self.manifest.entries, self.contents or (), strict=True):
            yield entry, Member(entry.path, len(content), io.BytesIO(content).read)


def verify(members: Iterator[Member], package: PackageDescriptor, parse: ParseManifest) -> Verified:
    """Check every member against the manifest, in order, by path, size and digest.

    Raises:
        ArchiveError: the archive or its manifest is refused.
    """
    manifest = read_manifest(members, package, parse)
    keeps = sum(entry.size_bytes for entry in manifest.entries) <= MAX_KEPT_BYTES
    contents: list[bytes] = []
    for entry in manifest.entries:
        member = next(members, None)
        if member is None:
            raise _invalid(f"{entry.path} is listed but missing")
        content = _verify_entry(member, entry, keeps=keeps)
        contents.append(content)
    unlisted = next(members, None)
    if unlisted is not None:
        raise _invalid(f"{unlisted.path} is not listed")
    return Verified(manifest=manifest, contents=contents if keeps else None)


def read_manifest(members: Iterator[Member], package: PackageDescriptor, parse: ParseManifest) -> Manifest:
    """Read the first member and check it against the package.

    Raises:
        ArchiveError: MANIFEST_MISSING, MANIFEST_INVALID, or the archive is refused.
    """
    first = next(members, None)
    if first is None or first.path != MANIFEST_PATH:
        raise ArchiveError("MANIFEST_MISSING", f"the first member is not {MANIFEST_PATH}")
    if first.size_bytes > MAX_MANIFEST_BYTES:
        raise _invalid(f"larger than {MAX_MANIFEST_BYTES} bytes")
    try:
        manifest = parse(first.read(MAX_MANIFEST_BYTES))
    except InvalidFieldError as error:
        raise _invalid(str(error)) from error
    _check(manifest, package)
    return manifest


def _check(manifest: Manifest, package: PackageDescriptor) -> None:
    for name in ("package_id", "device_id"):
        stated, expected = getattr(manifest, name), getattr(package, name)
        if stated != expected:
            raise _invalid(f"{name} is {stated}, the package's is {expected}")
    paths = [check_path(entry.path) for entry in manifest.entries]
    if len(set(paths)) != len(paths) or MANIFEST_PATH in paths:
        raise _invalid("a path is listed twice")


def _verify_entry(member: Member, entry: ManifestEntry, *, keeps: bool) -> bytes:
    """What was kept of the content: all or nothing."""
    if member.path != entry.path:
        raise _invalid(f"expected {entry.path}, the archive goes on with {member.path}")
    if member.size_bytes != entry.size_bytes:
        raise _mismatch(entry, f"{entry.size_bytes} bytes are listed, it has {member.size_bytes}")
    digest, kept = hashlib.sha256(), []
    for piece in member.pieces():
        digest.update(piece)
        if keeps:
            kept.append(piece)
    if digest.hexdigest() != entry.sha256:
        raise _mismatch(entry, f"sha256 {entry.sha256} is listed, it has {digest.hexdigest()}")
    return b"".join(kept)


def _invalid(what: str) -> ArchiveError:
    return ArchiveError("MANIFEST_INVALID", f"{MANIFEST_PATH}: {what}")


def _mismatch(entry: ManifestEntry, what: str) -> ArchiveError:
    return ArchiveError("ENTRY_MISMATCH", f"{entry.path}: {what}")
