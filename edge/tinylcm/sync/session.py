"""One round with the three services after the other, again and again, whatever the link does.

A round: registration and heartbeat, urgent drift events, packages by priority, answers to feedback, new feedback, model
updates. The services stand and fall alone: one that cannot be reached, or asks to be left alone, is passed over
until its time has come, and the others go on.
"""

import logging
import random
from collections.abc import Callable, Sequence

from tinylcm.pipeline.modes import permissions
from tinylcm.ports import Clock
from tinylcm.sync.backoff import Backoff
from tinylcm.sync.contact import Contact
from tinylcm.sync.delivery import Delivery
from tinylcm.sync.failures import CallError
from tinylcm.sync.feedback import FeedbackFetcher
from tinylcm.sync.models import ModelFetcher
from tinylcm.sync.tally import TransferTally

_LOGGER = logging.getLogger(__name__)
UNREACHABLE_RETRY_MAX_S = 1.0
"""While nobody answers, attempts fail inside the device: only the channel's own ones, every 1.5 s, use the link."""

_INGESTION, _DRIFT, _DISTRIBUTION = "ingestion", "drift", "distribution"

Step = tuple[str, Callable[[], None]]


class Session:
    """Everything the sync thread does."""

    def __init__(
        self,
        contact: Contact,
        delivery: Delivery,
        feedback: FeedbackFetcher,
        models: ModelFetcher,
        *,
        tally: TransferTally,
        clock: Clock,
        rng: random.Random,
        retry_max_s: float,
    ) -> None:
        self._contact = contact
        self._delivery = delivery
        self._feedback = feedback
        self._models = models
        self._tally = tally
        self._clock = clock
        services = (_INGESTION, _DRIFT, _DISTRIBUTION)
        self._backoffs = {service: Backoff(most_s=retry_max_s, rng=rng) for service in services}
        unreachable_max_s = min(retry_max_s, UNREACHABLE_RETRY_MAX_S)
        self._reconnects = {service: Backoff(most_s=unreachable_max_s, rng=rng) for service in services}
        self._not_before_s: dict[str, float] = {}
        self._acknowledged_bytes = 0

    def round(self) -> float:
        """Does one round and returns the seconds to the next one; failures are waits, never errors."""
        self._run(
            (
                (_INGESTION, self._contact.keep),
                (_DRIFT, self._delivery.report_drift_events),
                (_INGESTION, self._delivery.upload_packages),
                (_DRIFT, self._delivery.acknowledge_feedback),
                (_DRIFT, lambda: self._feedback.fetch(self._contact.feedback_mark)),
                (_DISTRIBUTION, self._follow_rollouts),
            )
        )
        return self._wait_s()

    def _follow_rollouts(self) -> None:
        if self._contact.is_known:  # rollouts are offered to registered devices only
            may_replace = permissions(self._contact.mode).may_take_models
            self._models.follow(self._contact.update_mark, may_replace=may_replace)

    def keep_in_touch(self) -> None:
        """What must not wait for the end of a long upload: the heartbeat when it is due, and drift events."""
        self._run(((_INGESTION, self._contact.keep), (_DRIFT, self._delivery.report_drift_events)))

    def _run(self, steps: Sequence[Step]) -> None:
        failed: set[str] = set()
        for service, step in steps:
            if service in failed or self._not_before_s.get(service, 0.0) > self._clock.monotonic_s():
                continue
            try:
                step()
            except CallError as error:
                failed.add(service)
                self._take_failure(service, error)
        for service in {service for service, _ in steps} - failed:
            self._take_success(service)

    def _take_failure(self, service: str, error: CallError) -> None:
        level = logging.DEBUG if error.is_link_failure else logging.WARNING
        _LOGGER.log(level, "%s: %s", service, error)
        if error.reason == "DEVICE_NOT_FOUND":
            self._contact.forget_registration()
        if self._tally.acknowledged_bytes > self._acknowledged_bytes:
            self._acknowledged_bytes = self._tally.acknowledged_bytes
            self._backoffs[service].reset()
        backoffs = self._reconnects if error.is_unreachable else self._backoffs
        wait_s = backoffs[service].next_wait_s(at_least_s=error.wait_s)
        self._not_before_s[service] = self._clock.monotonic_s() + wait_s

    def _take_success(self, service: str) -> None:
        if self._not_before_s.get(service, 0.0) <= self._clock.monotonic_s():
            self._not_before_s.pop(service, None)
            self._backoffs[service].reset()
            self._reconnects[service].reset()

    def _wait_s(self) -> float:
        moments = list(self._not_before_s.values())
        if _INGESTION not in self._not_before_s:
            moments.append(self._contact.next_heartbeat_s)
        return max(min(moments) - self._clock.monotonic_s(), 0.0)
