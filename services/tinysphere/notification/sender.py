"""Sends deliveries: one attempt at a time for a channel, several channels at a time, so that none waits for another.

At least once: a process that dies between the channel's answer and the note of it sends again when its lease is over.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from tinysphere.domain.clock import Clock
from tinysphere.domain.notifications import Delivery
from tinysphere.notification.channels import Channels, Message
from tinysphere.storage.ports.notifications import NotificationStore

BATCH_SIZE = 100
STILL_HANGS = "the attempt before still hangs"
HANGING_MAX = 256  # threads that no time limit ended; with so many, nothing new is tried


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long, and how often, the sender tries.

    Attributes:
        thread_count: Attempts at once, those that were given up and hang not counted.
        attempt: After that an attempt counts as failed, whatever becomes of it.
        lease: How long an attempt is this process's; longer than ``attempt``.
        attempt_count: After so many attempts a delivery is given up.
        first_delay: Longest wait after the first failed attempt; it doubles with each.
        longest_delay: Where doubling ends.
    """

    thread_count: int = 16
    attempt: timedelta = timedelta(seconds=20)
    lease: timedelta = timedelta(seconds=40)
    attempt_count: int = 10
    first_delay: timedelta = timedelta(seconds=10)
    longest_delay: timedelta = timedelta(minutes=30)

    def delay(self, attempt_count: int, share: float) -> timedelta:
        """How long to wait after so many attempts; ``share``, 0 to 1, is drawn for each (full jitter)."""
        doubled = self.first_delay * float(2 ** min(attempt_count - 1, 32))
        return share * min(self.longest_delay, doubled)


@dataclass(slots=True)
class _Attempt:
    """One attempt under way; its own thread sets the outcome."""

    delivery: Delivery
    deadline: datetime
    outcome: str | None = None
    given_up: bool = False
    thread: threading.Thread | None = None


class Sender:
    """Call `step` again and again, from one thread.

    Args:
        store: Where deliveries are.
        channels: Where they go.
        clock: Tells the time.
        patience: How long, and how often, it tries.
        draw: Gives a random number, 0 to 1.
        ended: Called, from any thread, when an attempt ended: `step` has something to do.
    """

    def __init__(
        self,
        store: NotificationStore,
        channels: Channels,
        clock: Clock,
        *,
        patience: Patience,
        draw: Callable[[], float],
        ended: Callable[[], None],
    ) -> None:
        self._store = store
        self._channels = channels
        self._clock = clock
        self._patience = patience
        self._draw = draw
        self._ended = ended
        self._attempts: dict[str, _Attempt] = {}  # by channel id

    def step(self) -> None:
        """Notes what ended, and begins what is due. Never waits for a channel."""
        self._settle()
        self._begin()

    def wind_up(self, timeout_s: float) -> None:
        """Gives running attempts that long to end, and notes how they did; the rest is sent again later."""
        deadline_s = time.monotonic() + timeout_s
        for attempt in self._attempts.values():
            if attempt.thread is not None:
                attempt.thread.join(max(0.0, deadline_s - time.monotonic()))
        self._settle()

    def _settle(self) -> None:
        now = self._clock.now()
        for channel_id, attempt in list(self._attempts.items()):
            if attempt.outcome is not None:
                if not attempt.given_up:
                    self._note(attempt.delivery, attempt.outcome)
                del self._attempts[channel_id]
            elif not attempt.given_up and now >= attempt.deadline:
                self._note(attempt.delivery, f"no answer within {self._patience.attempt.total_seconds():g} s")
                attempt.given_up = True

    def _begin(self) -> None:
        """Begins with those longest due. A channel that hangs since long fails its deliveries without a thread."""
        now = self._clock.now()
        busy = [channel_id for channel_id, attempt in self._attempts.items() if not attempt.given_up]
        hanging_count = len(self._attempts) - len(busy)
        most = hanging_count + self._patience.thread_count if hanging_count < HANGING_MAX else 0
        for delivery in self._store.due(now=now, limit=BATCH_SIZE, without=busy):
            before = self._attempts.get(delivery.channel_id)
            if before is None and len(self._attempts) < most:
                self._start(delivery, now)
            elif before is not None and before.given_up and self._claimed(delivery, now) is not None:
                self._note(delivery, STILL_HANGS)

    def _start(self, delivery: Delivery, now: datetime) -> None:
        url = self._claimed(delivery, now)
        if url is None:
            return
        attempt = _Attempt(delivery=delivery, deadline=now + self._patience.attempt)
        # A daemon: a side that trickles bytes for ever must not keep the process from ending.
        attempt.thread = threading.Thread(
            target=self._attempt, args=(attempt, url), name="notification", daemon=True
        )
        self._attempts[delivery.channel_id] = attempt
        attempt.thread.start()

    def _claimed(self, delivery: Delivery, now: datetime) -> str | None:
        return self._store.claim(delivery.ordinal, now=now, lease_time=now + self._patience.lease)

    def _attempt(self, attempt: _Attempt, url: str) -> None:
        delivery = attempt.delivery
        message = Message(title=delivery.title, body=delivery.body, severity=delivery.severity)
        attempt.outcome = self._channels.send(url, message)
        self._ended()

    def _note(self, delivery: Delivery, error: str) -> None:
        now, attempt_count = self._clock.now(), delivery.attempt_count + 1
        if not error or delivery.is_test or attempt_count >= self._patience.attempt_count:
            self._store.finish(delivery.ordinal, error=error, now=now)
            return
        due_time = now + self._patience.delay(attempt_count, self._draw())
        rule = self._store.find_rule(delivery.rule_id)
        self._store.postpone(
            delivery.ordinal, error=error, due_time=rule.time_to_send(due_time) if rule else due_time
        )
