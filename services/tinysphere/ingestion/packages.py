"""Packages as people and devices see them."""

from collections.abc import Sequence
from datetime import datetime

from tinysphere.domain.clock import Clock
from tinysphere.domain.packages import Package
from tinysphere.errors import NotFoundError
from tinysphere.jobs.ports import Jobs
from tinysphere.storage.ports.packages import PackageFilter, PackageStore


class Packages:
    """Use cases of FindMissing, GetPackage, ListPackages and RetryPackage."""

    def __init__(self, store: PackageStore, jobs: Jobs, clock: Clock) -> None:
        self._store = store
        self._jobs = jobs
        self._clock = clock

    def get(self, package_id: str) -> Package:
        """One package.

        Raises:
            NotFoundError: PACKAGE_NOT_FOUND.
        """
        return _found(self._store.get(package_id), package_id)

    def missing(self, device_id: str, digests: Sequence[str]) -> list[str]:
        """Of these digests those that no stored package of the device has, each once, in their order.

        Raises:
            NotFoundError: DEVICE_NOT_FOUND.
        """
        asked = list(dict.fromkeys(digests))
        held = self._store.held(device_id, asked)
        return [sha256 for sha256 in asked if sha256 not in held]

    def page(self, wanted: PackageFilter, *, after: tuple[datetime, str] | None, limit: int) -> list[Package]:
        """Packages, newest first."""
        return self._store.page(wanted, after=after, limit=limit)

    def retry(self, package_id: str) -> Package:
        """Process the failed steps again.

        Raises:
            NotFoundError: PACKAGE_NOT_FOUND.
            PreconditionError: PACKAGE_NOT_FAILED.
        """
        package = _found(self._store.retry(package_id, self._clock.now()), package_id)
        self._jobs.submit(package_id)
        return package


def _found(package: Package | None, package_id: str) -> Package:
    if package is None:
        raise NotFoundError("PACKAGE_NOT_FOUND", f"no package {package_id}")
    return package
