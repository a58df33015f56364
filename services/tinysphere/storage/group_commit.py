"""Many callers, one commit: whoever comes while one is under way shares the next.

No thread and no timer: the first to come commits at once, alone, so that a lone caller waits for nobody. Those who come
meanwhile form the next group, and the first of them commits it.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar, cast

from tinysphere.errors import TinySphereError, UnavailableError

BUSY_RETRY_AFTER_S = 1.0

WorkT = TypeVar("WorkT")
ResultT = TypeVar("ResultT")


class GroupCommit(Generic[WorkT, ResultT]):
    """Makes groups of what threads bring.

    Args:
        commit_all: Commits a group in one transaction. Gives, in their order, each one's result or the error that its
            caller gets. What it raises itself is the whole group's: nothing of it was committed.
        group_limit: Most in one group.
        waiting_limit: Most who wait at a time.
    """

    def __init__(
        self,
        commit_all: Callable[[Sequence[WorkT]], Sequence[ResultT | TinySphereError]],
        *,
        group_limit: int,
        waiting_limit: int,
    ) -> None:
        self._commit_all = commit_all
        self._group_limit = group_limit
        self._waiting_limit = waiting_limit
        self._lock = threading.Lock()  # held for moments
        self._waiting: deque[_Place[WorkT, ResultT]] = deque()
        self._is_busy = False

    def commit(self, work: WorkT) -> ResultT:
        """Returns when ``work`` is committed, alone or with others.

        Raises:
            UnavailableError: TOO_BUSY, too many wait already.
            Exception: what `commit_all` has for this one, or raised for all.
        """
        place = self._take_place(work)
        place.called.wait()
        if not place.is_done:
            self._commit_group()
        if isinstance(place.outcome, Exception):
            raise place.outcome
        return cast(ResultT, place.outcome)

    def _take_place(self, work: WorkT) -> "_Place[WorkT, ResultT]":
        place: _Place[WorkT, ResultT] = _Place(work)
        with self._lock:
            if len(self._waiting) >= self._waiting_limit:
                raise UnavailableError(
                    "TOO_BUSY", "too many writes wait for the disk", retry_after_s=BUSY_RETRY_AFTER_S
                )
            self._waiting.append(place)
            if not self._is_busy:
                self._is_busy = True
                place.called.set()
        return place

    def _commit_group(self) -> None:
        """Commit those who wait, the caller first among them, and call the next one to do the same."""
        with self._lock:
            group = [self._waiting.popleft() for _ in range(min(self._group_limit, len(self._waiting)))]
        try:
            for place, outcome in zip(group, self._outcomes([one.work for one in group]), strict=True):
                place.outcome, place.is_done = outcome, True
        finally:
            with self._lock:
                self._is_busy = bool(self._waiting)
                if self._waiting:
                    self._waiting[0].called.set()
            for place in group:
                if not place.is_done:  # the thread that commits is being ended
                    place.outcome, place.is_done = _interrupted(), True
                place.called.set()

    def _outcomes(self, group: Sequence[WorkT]) -> Sequence[ResultT | Exception]:
        try:
            return self._commit_all(group)
        except TinySphereError as error:  # the store itself: away, full
            return [error] * len(group)
        except Exception as error:
            if len(group) == 1:
                return [error]
            # One of them is to blame, and the others must not suffer for it.
            return [outcome for one in group for outcome in self._outcomes([one])]


class _Place(Generic[WorkT, ResultT]):
    """One caller's place: called when it has its outcome, or shall commit the next group."""

    __slots__ = ("called", "is_done", "outcome", "work")

    def __init__(self, work: WorkT) -> None:
        self.work = work
        self.called = threading.Event()
        self.is_done = False
        self.outcome: ResultT | Exception | None = None


def _interrupted() -> UnavailableError:
    return UnavailableError("INTERRUPTED", "the write was interrupted", retry_after_s=BUSY_RETRY_AFTER_S)
