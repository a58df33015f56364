"""The thread that plans and sends, and tests of rules that go through it."""

import threading
from collections.abc import Callable, Sequence

from tinysphere.domain.clock import Clock
from tinysphere.domain.notifications import Delivery, DeliveryState, NewDelivery, NotificationRule
from tinysphere.errors import ExhaustedError
from tinysphere.jobs.periodic import Periodic
from tinysphere.notification.channels import Channels
from tinysphere.notification.planner import Planner
from tinysphere.notification.sender import Patience, Sender
from tinysphere.storage.ports.notifications import NotificationStore, rule_not_found

POLL_INTERVAL_S = 1.0  # for notices, and for what becomes due
STOP_TIMEOUT_S = 3.0
TEST_WAIT_S = 28.0  # the contract's 30 s, and the way back
TEST_POLL_S = 0.1
MAX_TESTS = 8  # at once: each holds a thread that answers calls
TEST_TITLE = "Test of TinyMLOps"


class Courier:
    """Begins with `start`; `wake` it when something is due."""

    def __init__(
        self,
        store: NotificationStore,
        channels: Channels,
        clock: Clock,
        *,
        patience: Patience,
        draw: Callable[[], float],
    ) -> None:
        self._store = store
        self._clock = clock
        self._planner = Planner(store, clock)
        self._sender = Sender(store, channels, clock, patience=patience, draw=draw, ended=self.wake)
        self._thread = Periodic("notifications", self._step, interval_s=POLL_INTERVAL_S)
        self._tests = threading.BoundedSemaphore(MAX_TESTS)
        self._stopping = threading.Event()

    def start(self) -> None:
        """Plans and sends, now and from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Ends; what was not sent stays due."""
        self._stopping.set()
        self._thread.stop()
        self._sender.wind_up(STOP_TIMEOUT_S)

    def wake(self) -> None:
        """Has the thread look at once. Never blocks."""
        self._thread.wake()

    def test(self, rule_id: str, *, is_wanted: Callable[[], bool]) -> Sequence[Delivery]:
        """Sends a test to every channel of a rule; returns what became of it until all ended or 28 s were over.

        Raises:
            NotFoundError: NOTIFICATION_RULE_NOT_FOUND.
            ExhaustedError: TOO_MANY_TESTS, so many wait for their channels already.
        """
        rule = self._store.find_rule(rule_id)
        if rule is None:
            raise rule_not_found(rule_id)
        if not self._tests.acquire(blocking=False):
            raise ExhaustedError(
                "TOO_MANY_TESTS", f"{MAX_TESTS} tests are under way", retry_after_s=TEST_WAIT_S
            )
        try:
            with self._store.planning() as transaction:
                ordinals = transaction.add_deliveries(self._tests_of(rule))
            self.wake()
            return self._awaited(ordinals, is_wanted)
        finally:
            self._tests.release()

    def _awaited(self, ordinals: Sequence[int], is_wanted: Callable[[], bool]) -> Sequence[Delivery]:
        deliveries = self._store.get(ordinals)
        for _ in range(int(TEST_WAIT_S / TEST_POLL_S)):
            pending = any(delivery.state is DeliveryState.PENDING for delivery in deliveries)
            if not pending or not is_wanted() or self._stopping.wait(TEST_POLL_S):
                break
            deliveries = self._store.get(ordinals)
        return deliveries

    def _tests_of(self, rule: NotificationRule) -> Sequence[NewDelivery]:
        now = self._clock.now()
        return [
            NewDelivery(
                rule_id=rule.rule_id,
                channel_id=channel.channel_id,
                channel=channel.shown,
                topic=None,
                subject="",
                device_id="",
                title=TEST_TITLE,
                body=f"This is a test of the rule “{rule.name}”. Nothing happened.",
                create_time=now,
                due_time=now,
            )
            for channel in rule.channels
        ]

    def _step(self) -> None:
        self._planner.plan()
        self._sender.step()
