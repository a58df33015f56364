"""Packages become knowledge: claim one, verify its archive, run its steps, record how each ended.

A worker that dies leaves a claim whose lease ends; whoever takes the package then repeats what was not recorded,
to the same effect.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta

from tinysphere.domain.clock import Clock
from tinysphere.domain.ids import new_id
from tinysphere.domain.packages import Manifest, ManifestEntry, Package, PackageStep, StepState
from tinysphere.errors import SupersededError, TinySphereError
from tinysphere.ingestion.archive.member import Member
from tinysphere.ingestion.archive.read import ArchiveReader
from tinysphere.ingestion.archive.verify import read_manifest, verify
from tinysphere.ingestion.lease import Lease, StoppingError
from tinysphere.ingestion.transformers import LANES, TRANSFORMERS
from tinysphere.ingestion.transformers.step import Sinks, Step
from tinysphere.storage.ports.packages import Claim, WorkStore

FIRST_DELAY_S = 1.0
LONGEST_DELAY_S = 30.0
MAX_CRASHES = 10  # a package that took so many workers with it is not tried again by itself
MAX_ERROR_CHARACTERS = 1024

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Processor:
    """See `tinysphere.jobs.ports.Runner`."""

    store: WorkStore
    archives: ArchiveReader
    sinks: Sinks
    clock: Clock
    lease: timedelta

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
        claim = self.store.claim(new_id(now), now=now, lease_time=now + self.lease, package_id=package_id)
        if claim is None:
            return False
        try:
            self._process(claim, self._lease(claim, should_stop))
        except SupersededError as error:
            logger.warning("%s", error)
        except TinySphereError as error:
            self._put_off(claim, error)
        return True

    def _process(self, claim: Claim, lease: Lease) -> None:
        package = claim.package.descriptor
        if claim.crash_count >= MAX_CRASHES:
            self.store.refuse(claim, reason="PROCESSING_CRASHED", error=f"ended {MAX_CRASHES} workers")
            return
        steps = claim.package.steps
        try:
            if not steps:
                steps = self._verify(claim, lease)
        except TinySphereError as error:
            if worth_repeating(error):
                raise
            logger.info("package %s is refused: %s: %s", package.package_id, error.reason, error)
            self.store.refuse(claim, reason=error.reason, error=str(error)[:MAX_ERROR_CHARACTERS])
            return
        self._run_lanes(claim, [step for step in steps if step.state is StepState.PENDING], lease)
        self.store.complete(claim, now=self.clock.now())

    def _lease(self, claim: Claim, should_stop: Callable[[], bool]) -> Lease:
        return Lease(claim, self.store, self.clock, length=self.lease, should_stop=should_stop)

    def _run_lanes(self, claim: Claim, steps: Sequence[PackageStep], lease: Lease) -> None:
        """Run the steps, lanes beside each other: one that waits for its service holds up no other.

        Raises:
            TinySphereError: what ended a lane; the others went as far as they could.
        """
        lanes = [lane for kinds in LANES if (lane := [step for step in steps if step.kind in kinds])]
        if len(lanes) < 2:
            for lane in lanes:
                self._run_lane(claim, lane, lease)
            return
        with ThreadPoolExecutor(len(lanes), thread_name_prefix="step") as pool:
            ends = [pool.submit(self._run_lane, claim, lane, lease) for lane in lanes]
        for end in ends:
            end.result()

    def _run_lane(self, claim: Claim, steps: Sequence[PackageStep], lease: Lease) -> None:
        for step in steps:
            self.store.record_step(claim, self._run(claim.package, step, lease))

    def _verify(self, claim: Claim, lease: Lease) -> list[PackageStep]:
        """Check the whole archive before anything of it is taken over."""
        package = claim.package.descriptor
        manifest = verify(
            lease.watched(self.archives.members(package)), package, self.archives.parse_manifest
        )
        found = {entry.kind for entry in manifest.entries}
        kinds = [kind for kind in TRANSFORMERS if kind in found]
        self.store.add_steps(claim, kinds)
        return [PackageStep(kind=kind) for kind in kinds]

    def _run(self, package: Package, step: PackageStep, lease: Lease) -> PackageStep:
        """Run one step; how it ended. Raises only what makes the package wait."""
        tried = replace(step, attempt_count=step.attempt_count + 1)
        try:
            count = TRANSFORMERS[step.kind](self._step(package, step, lease), self.sinks)
        except TinySphereError as error:
            if worth_repeating(error):
                raise
            told = f"{error.reason}: {error}"
        except Exception as error:
            package_id = package.descriptor.package_id
            logger.exception("step %s of package %s failed", step.kind.value, package_id)
            told = f"INTERNAL: {type(error).__name__}; the server's log has more"
        else:
            return replace(tried, state=StepState.SUCCEEDED, error="", record_count=count)
        return replace(tried, state=StepState.FAILED, error=told[:MAX_ERROR_CHARACTERS])

    def _step(self, package: Package, step: PackageStep, lease: Lease) -> Step:
        members = lease.watched(self.archives.members(package.descriptor))
        manifest = read_manifest(members, package.descriptor, self.archives.parse_manifest)
        return Step(
            package=package.descriptor,
            receive_time=package.receive_time,
            taken_count=step.record_count,
            files=(pair for pair in _entries(manifest, members) if pair[0].kind is step.kind),
            keep_alive=lease.keep,
        )

    def _put_off(self, claim: Claim, error: TinySphereError) -> None:
        delay_s = min(FIRST_DELAY_S * 2 ** min(claim.delay_count, 10), LONGEST_DELAY_S)
        if isinstance(error, StoppingError):
            delay_s = 0
        package_id = claim.package.descriptor.package_id
        logger.info("package %s waits %g s: %s", package_id, delay_s, error)
        self.store.put_off(claim, due_time=self.clock.now() + timedelta(seconds=delay_s))


def worth_repeating(error: TinySphereError) -> bool:
    """Whether the work may succeed later without any change."""
    return isinstance(error, SupersededError) or error.retry_after_s is not None


def _entries(manifest: Manifest, members: Iterator[Member]) -> Iterator[tuple[ManifestEntry, Member]]:
    return zip(manifest.entries, members, strict=True)
