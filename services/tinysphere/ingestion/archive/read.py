"""Opens the archive of a stored package."""

from collections.abc import Iterator

from tinysphere.domain.packages import PackageDescriptor, PackageFormat
from tinysphere.ingestion.archive.limits import ArchiveLimits
from tinysphere.ingestion.archive.member import Member
from tinysphere.ingestion.archive.streams import unpacked
from tinysphere.ingestion.archive.tar import walk_tar
from tinysphere.ingestion.archive.zip import walk_zip
from tinysphere.storage.ports.blobs import Blobs


class ArchiveReader:
    """Walks packages in the blob store, within limits."""

    def __init__(self, blobs: Blobs, limits: ArchiveLimits) -> None:
        self._blobs = blobs
        self._limits = limits

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
        return walk_tar(unpacked(self._blobs.open(package.sha256), package.format, limit_bytes))
