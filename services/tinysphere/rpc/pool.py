"""The threads that calls run on, and how many calls wait for one."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
ResultT = TypeVar("ResultT")


class CallPool(ThreadPoolExecutor):
    """A thread pool that knows how crowded it is."""

    def __init__(self, thread_count: int) -> None:
        super().__init__(thread_count, thread_name_prefix="rpc")
        self._count_lock = threading.Lock()
        self._waiting_count = 0

    @property
    def waiting_count(self) -> int:
        """Calls that no thread has begun."""
        return self._waiting_count

    def submit(
        self, call: Callable[Parameters, ResultT], /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Future[ResultT]:
        """See `ThreadPoolExecutor.submit`."""
        self._count(1)
        return super().submit(self._begin, call, *args, **kwargs)

    def _begin(
        self, call: Callable[Parameters, ResultT], /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> ResultT:
        self._count(-1)
        return call(*args, **kwargs)

    def _count(self, change: int) -> None:
        with self._count_lock:
            self._waiting_count += change
