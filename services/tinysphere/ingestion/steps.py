"""Runs the steps of one claimed package: lanes beside each other, one that waits for its service holds up no other."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from tinysphere.domain.packages import ManifestEntry, PackageStep, StepState
from tinysphere.errors import SupersededError, TinySphereError
from tinysphere.ingestion.archive.member import Member
from tinysphere.ingestion.lease import Lease
from tinysphere.ingestion.transformers import LANES, TRANSFORMERS
from tinysphere.ingestion.transformers.step import Sinks, Step
from tinysphere.storage.ports.packages import Claim, WorkStore

MAX_ERROR_CHARACTERS = 1024
RECORD_INTERVAL_S = 0.25  # a step that ends sooner is recorded with the next one, or with the package's end

Files = Callable[[], Iterator[tuple[ManifestEntry, Member]]]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRunner:
    """See the module. ``files`` begins a walk over all entries and their bytes."""

    claim: Claim
    store: WorkStore
    sinks: Sinks
    files: Files
    lease: Lease
    _ended: "_Ended" = field(default_factory=lambda: _Ended())

    def run(self, steps: Sequence[PackageStep]) -> None:
        """Run the steps, lanes beside each other.

        Raises:
            TinySphereError: what ended a lane; the others went as far as they could, and that is recorded.
        """
        lanes = [lane for kinds in LANES if (lane := [step for step in steps if step.kind in kinds])]
        try:
            if len(lanes) == 1:
                self._run_lane(lanes[0])
            elif lanes:
                with ThreadPoolExecutor(len(lanes), thread_name_prefix="step") as pool:
                    ends = [pool.submit(self._run_lane, lane) for lane in lanes]
                for end in ends:
                    end.result()
        except TinySphereError as error:
            if not isinstance(error, SupersededError):
                self.store.record_steps(self.claim, self.unrecorded())
            raise

    def unrecorded(self) -> Sequence[PackageStep]:
        """Steps that ended and that nobody recorded yet; told once."""
        return self._ended.take()

    def _run_lane(self, steps: Sequence[PackageStep]) -> None:
        for step in steps:
            if due := self._ended.add(self._run(step)):
                self.store.record_steps(self.claim, due)

    def _run(self, step: PackageStep) -> PackageStep:
        """Run one step; how it ended. Raises only what makes the package wait."""
        tried = replace(step, attempt_count=step.attempt_count + 1)
        try:
            count = TRANSFORMERS[step.kind](self._step(step), self.sinks)
        except TinySphereError as error:
            if worth_repeating(error):
                raise
            told = f"{error.reason}: {error}"
        except Exception as error:
            package_id = self.claim.package.descriptor.package_id
            logger.exception("step %s of package %s failed", step.kind.value, package_id)
            told = f"INTERNAL: {type(error).__name__}; the server's log has more"
        else:
            return replace(tried, state=StepState.SUCCEEDED, error="", record_count=count)
        return replace(tried, state=StepState.FAILED, error=told[:MAX_ERROR_CHARACTERS])

    def _step(self, step: PackageStep) -> Step:
        return Step.of(self.claim.package, step, self.files(), self.lease.keep)


class _Ended:
    """Steps that ended, until they are recorded. Threads share it."""

    def __init__(self) -> None:
        self._steps: list[PackageStep] = []
        self._lock = threading.Lock()
        self._record_time_s = time.monotonic() + RECORD_INTERVAL_S

    def add(self, step: PackageStep) -> Sequence[PackageStep]:
        """Note a step; what is to be recorded now, if it is time."""
        with self._lock:
            self._steps.append(step)
            if time.monotonic() < self._record_time_s:
                return ()
        return self.take()

    def take(self) -> Sequence[PackageStep]:
        """All of them."""
        with self._lock:
            found, self._steps = self._steps, []
            self._record_time_s = time.monotonic() + RECORD_INTERVAL_S
            return found


def worth_repeating(error: TinySphereError) -> bool:
    """Whether the work may succeed later without any change."""
    return isinstance(error, SupersededError) or error.retry_after_s is not None
