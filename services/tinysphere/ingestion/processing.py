"""Packages become knowledge: claim some, verify their archives, run their steps, record how each ended.

A worker that dies leaves a claim whose lease ends; whoever takes the package then repeats what was not recorded,
to the same effect.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from tinysphere.domain.clock import Clock
from tinysphere.domain.ids import new_id
from tinysphere.domain.packages import ManifestEntry, PackageDescriptor, PackageStep, StepState
from tinysphere.errors import SupersededError, TinySphereError
from tinysphere.ingestion.archive.member import Member
from tinysphere.ingestion.archive.read import ArchiveReader
from tinysphere.ingestion.archive.verify import read_manifest, verify
from tinysphere.ingestion.lease import Lease, StoppingError
from tinysphere.ingestion.steps import MAX_ERROR_CHARACTERS, Files, StepRunner, worth_repeating
from tinysphere.ingestion.together import GROUP_SIZE, Together, Work
from tinysphere.ingestion.transformers import kinds_of
from tinysphere.ingestion.transformers.step import Sinks
from tinysphere.storage.ports.packages import Claim, WorkStore

FIRST_DELAY_S = 1.0
LONGEST_DELAY_S = 30.0
MAX_CRASHES = 10  # a package that took so many workers with it is not tried again by itself

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Processor:
    """See `tinysphere.jobs.ports.Runner`."""

    store: WorkStore
    archives: ArchiveReader
    sinks: Sinks
    clock: Clock
    lease: timedelta
    together: Together

    def due(self, limit: int) -> Sequence[str]:
        """See `Runner.due`."""
        return self.store.due(self.clock.now(), limit)

    def run_due(self, should_stop: Callable[[], bool]) -> bool:
        """See `Runner.run_due`."""
        return self._take(None, should_stop)

    def run(self, job_id: str, should_stop: Callable[[], bool]) -> bool:
        """See `Runner.run`; the id of a job is that of its package."""
        return self._take(job_id, should_stop)

    def _take(self, package_id: str | None, should_stop: Callable[[], bool]) -> bool:
        now = self.clock.now()
        claims = self.store.claim(
            new_id(now), now=now, lease_time=now + self.lease, package_id=package_id, limit=GROUP_SIZE
        )
        works = [Work(claim=claim, lease=self._lease(claim, should_stop)) for claim in claims]
        for work in self.together.process(works):
            self._alone(work)
        return bool(claims)

    def _alone(self, work: Work) -> None:
        try:
            self._process(work.claim, work.lease)
        except SupersededError as error:
            logger.warning("%s", error)
        except TinySphereError as error:
            self._put_off(work.claim, error)

    def _process(self, claim: Claim, lease: Lease) -> None:
        if claim.crash_count >= MAX_CRASHES:
            self.store.refuse(claim, reason="PROCESSING_CRASHED", error=f"ended {MAX_CRASHES} workers")
            return
        steps = claim.package.steps
        files: Files = partial(self._walk, claim.package.descriptor, lease)
        try:
            if not steps:
                steps, files = self._verify(claim, lease, files)
        except TinySphereError as error:
            if worth_repeating(error):
                raise
            package_id = claim.package.descriptor.package_id
            logger.info("package %s is refused: %s: %s", package_id, error.reason, error)
            self.store.refuse(claim, reason=error.reason, error=str(error)[:MAX_ERROR_CHARACTERS])
            return
        pending = [step for step in steps if step.state is StepState.PENDING]
        runner = StepRunner(claim=claim, store=self.store, sinks=self.sinks, files=files, lease=lease)
        runner.run(pending)
        self.store.complete(claim, runner.unrecorded(), now=self.clock.now())

    def _lease(self, claim: Claim, should_stop: Callable[[], bool]) -> Lease:
        return Lease(claim, self.store, self.clock, length=self.lease, should_stop=should_stop)

    def _verify(self, claim: Claim, lease: Lease, walk: Files) -> tuple[Sequence[PackageStep], Files]:
        """Check the whole archive before anything of it is taken over."""
        package = claim.package.descriptor
        members = lease.watched(self.archives.members(package))
        verified = verify(members, package, self.archives.parse_manifest)
        kinds = kinds_of(verified.manifest)
        self.store.add_steps(claim, kinds)
        return [
            PackageStep(kind=kind) for kind in kinds
        ], walk if verified.contents is None else verified.files

    def _walk(self, package: PackageDescriptor, lease: Lease) -> Iterator[tuple[ManifestEntry, Member]]:
        """The archive's entries, read again."""
        members = lease.watched(self.archives.members(package))
        manifest = read_manifest(members, package, self.archives.parse_manifest)
        return zip(manifest.entries, members, strict=True)

    def _put_off(self, claim: Claim, error: TinySphereError) -> None:
        delay_s = min(FIRST_DELAY_S * 2 ** min(claim.delay_count, 10), LONGEST_DELAY_S)
        if isinstance(error, StoppingError):
            delay_s = 0
        package_id = claim.package.descriptor.package_id
        logger.info("package %s waits %g s: %s", package_id, delay_s, error)
        self.store.put_off(claim, due_time=self.clock.now() + timedelta(seconds=delay_s))
