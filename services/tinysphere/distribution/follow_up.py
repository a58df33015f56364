"""What follows from changes of rollouts, by itself: devices are told, success is noticed, the registry hears of it.

All of it is derived from what is stored, so a crash or an unreachable service only delays it.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from tinysphere.distribution.devices import Devices
from tinysphere.domain.clock import Clock
from tinysphere.domain.rollouts import Rollout, RolloutState
from tinysphere.storage.ports.distribution import RolloutStore
from tinysphere.storage.ports.registry import ModelRegistry

SURVEY_INTERVAL = timedelta(minutes=1)
PAGE_SIZE = 500


class Surveyor:
    """Tells the targets of changed rollouts that work waits, and counts who has COMMITTED."""

    def __init__(
        self, store: RolloutStore, devices: Devices, *, clock: Clock, on_success: Callable[[], None]
    ) -> None:
        """Keep the parts; ``on_success`` is called when a rollout has SUCCEEDED."""
        self._store = store
        self._devices = devices
        self._clock = clock
        self._on_success = on_success

    def run(self) -> None:
        """Survey every rollout that is due.

        Raises:
            UnavailableError: A service is away; what was not surveyed stays due.
        """
        for rollout in self._store.due_surveys(surveyed_before=self._clock.now() - SURVEY_INTERVAL):
            if rollout.state is RolloutState.ABORTED:
                self._tell_withdrawn(rollout)
            else:
                self._survey(rollout)

    def _survey(self, rollout: Rollout) -> None:
        target_count = committed_count = 0
        for page in self._devices.pages(rollout.target_labels):
            if rollout.state is RolloutState.RUNNING:
                self._devices.announce(page.keys(), rollout.revision)
            target_count += len(page)
            committed_count += self._store.count_committed(rollout.rollout_id, page.keys())
        self._store.set_survey(rollout, target_count=target_count, now=self._clock.now())
        if 0 < target_count == committed_count:
            self._succeed(rollout)

    def _tell_withdrawn(self, rollout: Rollout) -> None:
        """Only those who heard of the rollout have anything to ask."""
        after: str | None = None
        while page := self._store.list_deployments(rollout.rollout_id, after=after, limit=PAGE_SIZE):
            self._devices.announce([deployment.device_id for deployment in page], rollout.revision)
            after = page[-1].device_id
        self._store.set_survey(rollout, target_count=rollout.target_count, now=self._clock.now())

    def _succeed(self, rollout: Rollout) -> None:
        with self._store.transaction() as transaction:
            present = transaction.lock_rollout(rollout.rollout_id)
            if present.revision != rollout.revision:  # an operator was faster; the next survey decides
                return
            revision = transaction.next_revision()
            transaction.set_state(replace(present, state=RolloutState.SUCCEEDED, revision=revision))
        self._on_success()


class Promoter:
    """Makes the version of each rollout that succeeded the champion, in the order of their successes."""

    def __init__(self, store: RolloutStore, registry: ModelRegistry) -> None:
        self._store = store
        self._registry = registry

    def run(self) -> None:
        """Tell the registry of every success it has not heard of.

        Raises:
            UnavailableError: The registry is away; the rest stays due.
        """
        for rollout in self._store.due_promotions():
            self._registry.promote(rollout.model.model_name, rollout.model.version)
            self._store.set_promoted(rollout.rollout_id)
