"""Small packages processed together: their evidence in common calls, all else in one transaction.

Only what succeeds whole ends here. A package of which anything is wrong, large or already begun is left to be processed
alone, which is slower and says what it was.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tinysphere.domain.clock import Clock
from tinysphere.domain.packages import EntryKind, PackageStep, StepState
from tinysphere.ingestion.archive.read import ArchiveReader
from tinysphere.ingestion.archive.verify import Verified, verify
from tinysphere.ingestion.gathered import Gathered, report_all
from tinysphere.ingestion.lease import Lease
from tinysphere.ingestion.transformers import TRANSFORMERS, kinds_of
from tinysphere.ingestion.transformers.step import Sinks, Step
from tinysphere.storage.ports.packages import SMALL_BYTES, Claim, WholePackage, WorkStore
from tinysphere.storage.ports.telemetry import DeviceRecords

GROUP_SIZE = 16
GROUP_TIME_S = 0.25  # then what was read goes on, and what was not begun is given back to whoever is free
MAX_UNPACKED_BYTES = 256 * 1024  # of one package: a group's records stay within some 100 MiB

_FILES = {EntryKind.PREDICTION_IMAGES, EntryKind.MODEL_STATE}  # they go to the blob store one by one

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A claimed package."""

    claim: Claim
    lease: Lease


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    work: Work
    steps: Sequence[PackageStep]
    gathered: Gathered


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """See the module."""

    store: WorkStore
    archives: ArchiveReader
    sinks: Sinks
    clock: Clock

    def process(self, works: Sequence[Work]) -> Sequence[Work]:
        """Process them; returns those that have to be processed alone.

        Raises:
            UnavailableError: the database is away; the claims end with their leases.
        """
        end_s = time.monotonic() + GROUP_TIME_S
        read: list[_Read] = []
        alone: list[Work] = []
        for place, work in enumerate(works):
            if place and time.monotonic() > end_s:
                self.store.give_back([late.claim for late in works[place:]], now=self.clock.now())
                break
            found = self._read(work)
            if found is None:
                alone.append(work)
            else:
                read.append(found)
        return alone + self._taken_over(read)

    def _read(self, work: Work) -> _Read | None:
        package = work.claim.package
        if package.steps or package.descriptor.size_bytes > SMALL_BYTES:
            return None
        try:
            members = work.lease.watched(self.archives.members(package.descriptor))
            verified = verify(members, package.descriptor, self.archives.parse_manifest)
            kinds = kinds_of(verified.manifest)
            if verified.unpacked_bytes > MAX_UNPACKED_BYTES or _FILES.intersection(kinds):
                return None
            return self._transformed(work, verified, kinds)
        except Exception as error:  # whatever it is: alone, it is seen again and judged
            logger.debug("package %s goes alone: %s", package.descriptor.package_id, error)
            return None

    def _transformed(self, work: Work, verified: Verified, kinds: Sequence[EntryKind]) -> _Read:
        gathered = Gathered()
        sinks = replace(self.sinks, evidence=gathered, telemetry=gathered)
        steps = []
        for kind in kinds:
            step = Step.of(work.claim.package, PackageStep(kind=kind), verified.files(), work.lease.keep)
            count = TRANSFORMERS[kind](step, sinks)
            steps.append(
                PackageStep(kind=kind, state=StepState.SUCCEEDED, record_count=count, attempt_count=1)
            )
        return _Read(work=work, steps=steps, gathered=gathered)

    def _taken_over(self, read: Sequence[_Read]) -> list[Work]:
        """Those that were not."""
        if not read:
            return []
        try:
            report_all([one.gathered for one in read], self.sinks.evidence, lambda: _keep(read))
            lost = self.store.complete_whole([_whole(one) for one in read], now=self.clock.now())
        except Exception as error:  # whoever's fault it is: alone, each is judged for itself
            logger.info("%d packages go alone: %s", len(read), error)
            return [one.work for one in read]
        for claim in lost:
            logger.warning("another worker holds package %s", claim.package.descriptor.package_id)
        return []


def _keep(read: Sequence[_Read]) -> None:
    for one in read:
        one.work.lease.keep()


def _whole(read: _Read) -> WholePackage:
    claim, gathered = read.work.claim, read.gathered
    records = DeviceRecords(
        device_id=claim.package.descriptor.device_id, points=gathered.points, logs=gathered.logs
    )
    return WholePackage(claim=claim, steps=read.steps, records=records)
