"""Follows one package, for people who wait for it."""

from collections.abc import Callable, Iterator

from tinysphere.domain.packages import Package, PackageState
from tinysphere.ingestion.packages import Packages

LONGEST_WATCH_S = 600.0
SIGN_OF_LIFE_S = 2.0
FIRST_LOOK_S = 0.05
LONGEST_LOOK_S = 0.5  # what is long at work may be seen changing that much later

_FINAL = (PackageState.PROCESSED, PackageState.FAILED)


def watch(packages: Packages, package_id: str, wait: Callable[[float], bool]) -> Iterator[Package]:
    """The package now, after each change, and at the latest every 2 seconds, until it is final or 10 minutes are over.

    It is looked up again and again, since any process may work at it.

    Args:
        packages: Where to look.
        package_id: Which one.
        wait: Lets so many seconds pass; True when nobody listens any more.

    Raises:
        NotFoundError: PACKAGE_NOT_FOUND, at first or meanwhile.
    """
    told: Package | None = None
    passed_s, silent_s, pause_s = 0.0, 0.0, FIRST_LOOK_S
    while passed_s < LONGEST_WATCH_S:
        package = packages.get(package_id)
        if package != told or silent_s >= SIGN_OF_LIFE_S:
            yield package
            pause_s = FIRST_LOOK_S if package != told else pause_s
            told, silent_s = package, 0.0
        if package.state in _FINAL or wait(pause_s):
            return
        passed_s, silent_s = passed_s + pause_s, silent_s + pause_s
        pause_s = min(pause_s * 1.5, LONGEST_LOOK_S)
