"""The packages of the outbox as files: durable before their rows are, and found again when rows are lost."""

import hashlib
import logging
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tinylcm.adapters.files import make_folder, sweep_unfinished, sync_folder, write_durably
from tinylcm.adapters.frames import is_whole_frame
from tinylcm.ports import NewPackage, OutgoingPackage, Priority

_LOGGER = logging.getLogger(__name__)
_SUFFIX = ".tar.zst"


class PackageFiles:
    """One file for each package, in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = make_folder(folder)
        sweep_unfinished(self._folder)

    def path(self, package_id: str) -> Path:
        """Returns where the bytes of a package are, or would be."""
        return self._folder / f"{package_id}{_SUFFIX}"

    def write(self, packages: Sequence[NewPackage]) -> None:
        """Stores the bytes of packages durably.

        Raises:
            StorageFullError: The disk is full; some may have been stored.
        """
        for new in packages:
            write_durably(self.path(new.package.package_id), [new.content])

    def remove(self, package_ids: Iterable[str]) -> None:
        """Removes files, where they are there."""
        for package_id in package_ids:
            self.path(package_id).unlink(missing_ok=True)

    def is_whole(self, package: OutgoingPackage) -> bool:
        """Returns whether a package's file still has its digest; FileNotFoundError when it is gone."""
        with self.path(package.package_id).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == package.sha256

    def sweep(self, known_ids: Collection[str]) -> None:
        """Removes the files of all but the known packages: what was cut before its row was there."""
        orphans = self._orphans(known_ids)
        for path in orphans:
            path.unlink()
        if orphans:
            _LOGGER.warning("%d package files without a row are removed", len(orphans))
            sync_folder(self._folder)

    def adopt(self, known_ids: Collection[str]) -> list[OutgoingPackage]:
        """Returns packages for the files of all but the known ones; damaged files are put aside."""
        packages = []
        for path in self._orphans(known_ids):
            content = path.read_bytes()
            if not is_whole_frame(content):
                _LOGGER.error("package file %s is damaged and not taken up", path.name)
                path.rename(path.with_suffix(".damaged"))
                continue
            packages.append(
                OutgoingPackage(
                    package_id=path.name.removesuffix(_SUFFIX),
                    priority=Priority.SAMPLES,
                    size_bytes=len(content),
                    sha256=hashlib.sha256(content).hexdigest(),
                    create_time=datetime.fromtimestamp(path.stat().st_mtime, UTC),
                )
            )
        return packages

    def _orphans(self, known_ids: Collection[str]) -> list[Path]:
        known = {self.path(package_id) for package_id in known_ids}
        return [path for path in sorted(self._folder.glob(f"*{_SUFFIX}")) if path not in known]
