"""Many callers, few commits; nobody suffers for another, nobody waits for nobody."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.support.waiting import eventually
from tinysphere.errors import ConflictError, TinySphereError, UnavailableError
from tinysphere.storage.group_commit import GroupCommit

BOUND_S = 30.0


class Store:
    """Squares what it is given, one group at a time; a test holds the first group back."""

    def __init__(self, *, group_limit: int = 100, waiting_limit: int = 100) -> None:
        self.groups: list[list[int]] = []
        self.is_free = threading.Event()
        self.has_begun = threading.Event()
        self.under_way = 0
        self.commits = GroupCommit(self._commit_all, group_limit=group_limit, waiting_limit=waiting_limit)

    def _commit_all(self, group: Sequence[int]) -> Sequence[int | TinySphereError]:
        assert self.under_way == 0, "two groups at once"
        self.under_way += 1
        try:
            self.groups.append(list(group))
            self.has_begun.set()
            assert self.is_free.wait(BOUND_S)
            if -1 in group:
                raise ZeroDivisionError("one is bad")
            if -2 in group:
                raise UnavailableError("DATABASE_UNAVAILABLE", "away", retry_after_s=1)
            return [number**2 if number % 7 else ConflictError("SEVEN", "refused") for number in group]
        finally:
            self.under_way -= 1

    def gather(self, pool: ThreadPoolExecutor, numbers: Sequence[int]) -> list[Future[int]]:
        """Have ``numbers`` wait together behind a group of its own, which is under way."""
        first = pool.submit(self.commits.commit, 1)
        assert self.has_begun.wait(BOUND_S)
        futures = [first]
        for count, number in enumerate(numbers, start=1):
            futures.append(pool.submit(self.commits.commit, number))
            eventually(lambda wanted=count: len(self.commits._waiting) == wanted)
        return futures


def told(future: "Future[int]") -> object:
    error = future.exception(BOUND_S)
    return future.result() if error is None else type(error)


def test_a_lone_caller_is_committed_at_once() -> None:
    store = Store()
    store.is_free.set()
    assert [store.commits.commit(number) for number in (2, 3)] == [4, 9]
    assert store.groups == [[2], [3]]


def test_those_who_come_meanwhile_share_the_next_commit() -> None:
    store = Store()
    with ThreadPoolExecutor(16) as pool:
        futures = store.gather(pool, range(2, 7))
        store.is_free.set()
        assert [told(future) for future in futures] == [1, 4, 9, 16, 25, 36]
    assert store.groups == [[1], [2, 3, 4, 5, 6]]


def test_an_error_of_one_is_told_to_that_one_only() -> None:
    store = Store()
    with ThreadPoolExecutor(16) as pool:
        futures = store.gather(pool, [6, 7, 8])
        store.is_free.set()
        assert [told(future) for future in futures] == [1, 36, ConflictError, 64]
    assert len(store.groups) == 2


def test_one_that_breaks_its_group_breaks_alone() -> None:
    store = Store()
    with ThreadPoolExecutor(16) as pool:
        futures = store.gather(pool, [2, -1, 3])
        store.is_free.set()
        assert [told(future) for future in futures] == [1, 4, ZeroDivisionError, 9]
    assert store.groups == [[1], [2, -1, 3], [2], [-1], [3]]


def test_a_store_that_is_away_is_not_asked_again_for_each() -> None:
    store = Store()
    with ThreadPoolExecutor(16) as pool:
        futures = store.gather(pool, [2, -2, 3])
        store.is_free.set()
        assert [told(future) for future in futures] == [1, *[UnavailableError] * 3]
    assert len(store.groups) == 2
    assert store.commits.commit(4) == 16  # and the next one tries anew


def test_groups_and_the_queue_are_bounded() -> None:
    store = Store(group_limit=2, waiting_limit=3)
    with ThreadPoolExecutor(16) as pool:
        futures = store.gather(pool, [2, 3, 4])
        with pytest.raises(UnavailableError) as caught:
            store.commits.commit(5)
        assert (caught.value.reason, caught.value.retry_after_s) == ("TOO_BUSY", 1.0)
        store.is_free.set()
        assert [told(future) for future in futures] == [1, 4, 9, 16]
    assert store.groups == [[1], [2, 3], [4]]


def test_nobody_is_forgotten_however_they_come() -> None:
    store = Store(group_limit=5)
    store.is_free.set()
    numbers = [number for number in range(1, 2000) if number % 7]
    with ThreadPoolExecutor(24) as pool:
        assert list(pool.map(store.commits.commit, numbers)) == [number**2 for number in numbers]
    assert sorted(number for group in store.groups for number in group) == numbers
