"""Long work between short steps: what an adaptation computes may take seconds while frames go on.

An adaptation is written as steps: a generator that changes the pipeline, and yields the work whose result it needs.
Its steps run where frames are classified; the work, which only reads values that never change, runs elsewhere.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

from tinylcm.ports import Promise, Worker
from tinylcm.records import Acknowledgement, Adaptation, AdaptationEffect, DriftEvent, Sample


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Adapted:
    """What came of trying to adapt: from a batch of feedback, or from what the device found by itself.

    Attributes:
        acknowledgements: One answer per item of feedback, in the order of the items.
        effect: What was measured, when a batch was applied; None when nothing new was.
        changed: Whether the state is another one now and must be saved before anybody hears of the answers.
        drift_events: The event that the change closed, if one was open.
        samples: Evidence of that event, if it had not been handed out yet.
        adaptations: What was tried, confirmed or taken back.
    """

    acknowledgements: tuple[Acknowledgement, ...] = ()
    effect: AdaptationEffect | None = None
    changed: bool = False
    drift_events: tuple[DriftEvent, ...] = ()
    samples: tuple[Sample, ...] = ()
    adaptations: Sequence[Adaptation] = ()


Steps = Generator[Callable[[], Any], Any, Adapted]
"""Yields work and is sent its result; an error of the work is raised where it was yielded."""


class Inline:
    """A `Worker` that does everything at once: the caller waits."""

    def submit(self, work: Callable[[], Any], /) -> "_Done":
        """Does the work."""
        return _Done(work)


class _Done:
    """A `Promise` that is kept: by a value, or by an error."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._value, self._error = None, None
        try:
            self._value = work()
        except Exception as error:
            self._error = error

    def done(self) -> bool:
        return True

    def result(self) -> Any:
        if self._error is not None:
            raise self._error
        return self._value


class Adapting:
    """Runs one adaptation at a time; used by one thread."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._steps: Steps | None = None
        self._promise: Promise | None = None

    @property
    def is_busy(self) -> bool:
        """Whether an adaptation is under way: what is known does not change until it has ended."""
        return self._steps is not None

    def begin(self, steps: Steps) -> Adapted | None:
        """Begins an adaptation while none is under way; returns what came of it if that is known at once."""
        if self._steps is not None:
            raise RuntimeError("an adaptation is under way")
        self._steps = steps
        return self._step() or self.finish(wait=False)

    def finish(self, *, wait: bool) -> Adapted | None:
        """Takes all steps that are due; returns what came of the adaptation, once, when it has ended."""
        while self._promise is not None and (wait or self._promise.done()):
            if (adapted := self._step()) is not None:
                return adapted
        return None

    def _step(self) -> Adapted | None:
        promise, self._promise = self._promise, None
        try:
            work = self._next_work(promise)
        except StopIteration as end:
            adapted: Adapted = end.value
            return adapted
        else:
            self._promise = self._worker.submit(work)
        finally:
            if self._promise is None:  # it has ended, or failed
                self._steps = None
        return None

    def _next_work(self, promise: Promise | None) -> Callable[[], Any]:
        if self._steps is None:
            raise RuntimeError("no adaptation is under way")
        if promise is None:
            return next(self._steps)
        try:
            value = promise.result()
        except Exception as error:
            return self._steps.throw(error)
        return self._steps.send(value)
