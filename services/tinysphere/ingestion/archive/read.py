"""Opens the archive of a stored package."""

from collections.abc import Iterator

from tinysphere.domain.packages import PackageDescriptor, PackageFormat
from tinysphere.ingestion.archive.limits import ArchiveLimits
from tinysphere.ingestion.archive.member import Member
from tinysphere.ingestion.archive.single import walk_single
from tinysphere.ingestion.archive.streams import unpacked
from tinysphere.ingestion.archive.tar import walk_tar
from tinysphere.ingestion.archive.verify import ParseManifest
from tinysphere.ingestion.archive.zip import walk_zip
from tinysphere.storage.ports.blobs import BlobReader


class ArchiveReader:
    """Walks packages in the blob store, within limits."""

    def __init__(self, blobs: BlobReader, limits: ArchiveLimits, parse_manifest: ParseManifest) -> None:
        self._blobs = blobs
        self._limits = limits
        self.parse_manifest = parse_manifest

    def members(self, package: PackageDescriptor) -> Iterator[Member]:
        """The regular files of a package, in archive order. Each is read before the next is asked for.

        Raises:
            ArchiveError: the archive is refused.
        """
        limit_bytes = self._limits.unpacked_bytes(package.size_bytes)
        if package.format is PackageFormat.ZIP:
            return walk_zip(
                lambda offset: self._blobs.open(package.sha256, offset), package.size_bytes, limit_bytes
            )
        stream = unpacked(self._blobs.open(package.sha256), package.format, limit_bytes)
        if package.format is PackageFormat.GZIP:
            return walk_single(stream, self.parse_manifest)
        return walk_tar(stream)
