"""Messages of a stream, read by a thread of their own.

A handler that reads its stream directly is deaf while the peer is silent: it can neither acknowledge in time
nor give way to a newer stream. This one waits with a time limit and can be interrupted.
"""

import threading
from collections import deque
from collections.abc import Iterator
from typing import Generic, Self, TypeVar

ItemT = TypeVar("ItemT")


class Inbox(Generic[ItemT]):
    """A bounded queue between the stream's reader thread and one handler.

    The thread ends when the stream does; the caller of `close` need not wait for it.
    """

    def __init__(self, items: Iterator[ItemT], *, capacity: int) -> None:
        self._items = items
        self._capacity = capacity
        self._waiting: deque[ItemT] = deque()
        self._changed = threading.Condition()
        self._error: BaseException | None = None
        self._interruption: Exception | None = None
        self._ended = False
        self._closed = False
        threading.Thread(target=self._read, name="rpc-inbox", daemon=True).start()

    def __iter__(self) -> Self:
        """An iterator of the items until the stream ends, each waited for as long as it takes."""
        return self

    def __next__(self) -> ItemT:
        """The next item. Raises as `take`."""
        if (item := self.take(None)) is None:
            raise StopIteration
        return item

    def take(self, timeout_s: float | None) -> ItemT | None:
        """The next item; None when none came in time or the stream ended (see `ended`).

        Raises:
            Exception: the one given to `interrupt`, at once; the one that ended the stream, after its items.
        """
        with self._changed:
            self._changed.wait_for(self._has_news, timeout_s)
            if self._interruption is not None:
                raise self._interruption
            if self._waiting:
                item = self._waiting.popleft()
                self._changed.notify_all()
                return item
            if self._error is not None:
                raise self._error
            return None

    @property
    def ended(self) -> bool:
        """Whether the stream ended in order and every item was taken."""
        with self._changed:
            return self._ended and not self._waiting and self._error is None

    @property
    def is_empty(self) -> bool:
        """Whether no item waits now."""
        return not self._waiting

    def interrupt(self, error: Exception) -> None:
        """Have the handler's present or next `take` raise ``error``. From any thread."""
        with self._changed:
            self._interruption = self._interruption or error
            self._changed.notify_all()

    def close(self) -> None:
        """Take no more items; what waits is dropped."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()

    def _has_news(self) -> bool:
        return bool(self._waiting) or self._ended or self._interruption is not None

    def _has_room(self) -> bool:
        return self._closed or len(self._waiting) < self._capacity

    def _read(self) -> None:
        error: BaseException | None = None
        try:
            for item in self._items:
                with self._changed:
                    self._changed.wait_for(self._has_room)
                    if self._closed:
                        return
                    self._waiting.append(item)
                    self._changed.notify_all()
        except BaseException as raised:  # handed over: it belongs to the handler
            error = raised
        with self._changed:
            self._error, self._ended = error, True
            self._changed.notify_all()
