"""Where the inference thread finds its work: frames from the source, and orders that come before them."""

import threading
from collections import deque
from dataclasses import dataclass

from tinylcm.records import FeedbackItem, Frame, Mode

_MAX_FRAMES = 8
_MAX_ORDERS = 64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ApplyFeedback:
    """Learn from these judgements."""

    items: tuple[FeedbackItem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivateModel:
    """Switch to the bundle in the idle slot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeMode:
    """Work in another mode."""

    mode: Mode


Order = ApplyFeedback | ActivateModel | ChangeMode


class Inbox:
    """A bounded queue with two entrances, for one taker."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frames: deque[Frame] = deque()
        self._orders: deque[Order] = deque()
        self._is_closed = False

    @property
    def is_closed(self) -> bool:
        """Whether the device is stopping."""
        return self._is_closed

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        with self._changed:
            return not self._frames and not self._orders

    def put_frame(self, frame: Frame) -> bool:
        """Waits for room and adds a frame; False when the device is stopping."""
        with self._changed:
            while len(self._frames) >= _MAX_FRAMES and not self._is_closed:
                self._changed.wait()
            if self._is_closed:
                return False
            self._frames.append(frame)
            self._changed.notify_all()
            return True

    def put_newest_frame(self, frame: Frame) -> bool:
        """Adds a frame at once, and returns whether the oldest one was dropped for it."""
        with self._changed:
            if self._is_closed:
                return False
            is_full = len(self._frames) >= _MAX_FRAMES
            if is_full:
                self._frames.popleft()
            self._frames.append(frame)
            self._changed.notify_all()
            return is_full

    def put_order(self, order: Order) -> bool:
        """Adds an order; False when there are too many, or the device is stopping."""
        with self._changed:
            if self._is_closed or len(self._orders) >= _MAX_ORDERS:
                return False
            self._orders.append(order)
            self._changed.notify_all()
            return True

    def take(self, *, timeout_s: float, with_frames: bool, with_orders: bool = True) -> Frame | Order | None:
        """Returns an order, else a frame, else None after ``timeout_s`` or when the device is stopping."""
        with self._changed:
            queue = self._waiting(with_frames, with_orders)
            if not queue and not self._is_closed:
                self._changed.wait_for(
                    lambda: self._is_closed or self._waiting(with_frames, with_orders), timeout_s
                )
                queue = self._waiting(with_frames, with_orders)
            if self._is_closed or not queue:
                return None
            taken = queue.popleft()
            self._changed.notify_all()
            return taken

    def _waiting(self, with_frames: bool, with_orders: bool) -> deque[Order] | deque[Frame] | None:
        if with_orders and self._orders:
            return self._orders
        return self._frames if with_frames else None

    def close(self) -> None:
        """The device is stopping: wakes everybody; what waits is taken up again after the next start."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
