"""What follows from changes of rollouts, by itself: devices are told, waves are judged, the registry hears of success.

All of it is derived from what is stored, so a crash or an unreachable service only delays it.
"""

import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from tinysphere.distribution.catalogue import find_version
from tinysphere.distribution.devices import Devices, TargetDevice
from tinysphere.distribution.progression import SERVER_ACTOR, next_survey, opened, proceed
from tinysphere.distribution.rules import UNFINISHED
from tinysphere.distribution.targets import is_target
from tinysphere.distribution.waves import added, count, wave_of
from tinysphere.domain.clock import Clock
from tinysphere.domain.rollout_plans import Strategy, Target
from tinysphere.domain.rollouts import (
    Rollout,
    RolloutAction,
    RolloutDecision,
    RolloutState,
    WaveProgress,
)
from tinysphere.storage.ports.distribution import ModelStore, RolloutStore, RolloutTransaction
from tinysphere.storage.ports.registry import ModelRegistry

SURVEY_INTERVAL = timedelta(minutes=1)
LEAST_INTERVAL = timedelta(seconds=1)  # however many devices report
PAGE_SIZE = 500

_MOVES_DEVICES = {
    RolloutAction.ADVANCE,
    RolloutAction.PAUSE,
    RolloutAction.ROLLBACK,
    RolloutAction.SUCCEED,
}


class Conductor:
    """Counts how far each rollout came, tells the devices of its open waves, and takes the steps that follow."""

    def __init__(
        self,
        store: RolloutStore,
        models: ModelStore,
        devices: Devices,
        *,
        clock: Clock,
        on_success: Callable[[], None],
    ) -> None:
        """Keep the parts; ``on_success`` is called when a rollout has SUCCEEDED."""
        self._store = store
        self._models = models
        self._devices = devices
        self._clock = clock
        self._on_success = on_success
        self._lock = threading.Lock()
        self._touched: set[str] = set()
        self._surveyed: dict[str, datetime] = {}

    def touch(self, rollout_id: str) -> None:
        """A device of this rollout was decided: look at it soon."""
        with self._lock:
            self._touched.add(rollout_id)

    def run(self) -> None:
        """Survey every rollout that is due.

        Raises:
            UnavailableError: A service is away; what was not surveyed stays due.
        """
        now = self._clock.now()
        for rollout in self._store.due_surveys(now=now, touched=self._take_touched(now)):
            if rollout.state is RolloutState.ABORTED:
                self._tell_withdrawn(rollout)
            else:
                self._survey(rollout)

    def _take_touched(self, now: datetime) -> frozenset[str]:
        """What was touched, except what was surveyed a moment ago: that waits for the next run."""
        with self._lock:
            recent = {key for key, moment in self._surveyed.items() if now - moment < LEAST_INTERVAL}
            self._surveyed = {key: self._surveyed[key] for key in recent}
            taken = frozenset(self._touched - recent)
            self._touched &= recent
        return taken

    def _survey(self, rollout: Rollout) -> None:
        now = self._clock.now()
        with self._lock:
            self._surveyed[rollout.rollout_id] = now
        figures: Sequence[WaveProgress] = [WaveProgress() for _ in rollout.strategy.waves]
        for page in self._devices.pages(rollout.target_labels):
            figures = added(figures, self._look_at(rollout, page))
        self._go_on(replace(rollout, progress=_with_times(figures, rollout.progress)), now)

    def _look_at(self, rollout: Rollout, page: Sequence[TargetDevice]) -> Sequence[WaveProgress]:
        """Tells the devices of one page, and counts them."""
        joined = self._store.deployments_in(rollout.rollout_id, [device.device_id for device in page])
        meant = [one for one in page if is_target(rollout, one, has_joined=one.device_id in joined)]
        if rollout.state is RolloutState.RUNNING:
            told = [one.device_id for one in meant if wave_of(rollout, one) <= rollout.wave_index]
            if told:
                self._devices.announce(told, rollout.revision)
        return count(rollout, ((device, joined.get(device.device_id)) for device in meant))

    def _go_on(self, rollout: Rollout, now: datetime) -> None:
        """Stores a survey and what follows from it, unless an operator was faster: the next one decides then."""
        moved, decisions = proceed(rollout, now=now)
        with self._store.transaction() as transaction:
            if transaction.lock_rollout(rollout.rollout_id).revision != rollout.revision:
                return
            if any(decision.action in _MOVES_DEVICES for decision in decisions):
                moved = replace(moved, revision=transaction.next_revision())
            transaction.set_state(moved)
            for decision in decisions:
                transaction.add_decision(decision)
            if moved.state is RolloutState.ABORTED:
                self._bring_back(moved, transaction, now)
            target_count = sum(wave.device_count for wave in moved.progress)
            survey_time = next_survey(moved, now=now, interval=SURVEY_INTERVAL)
            transaction.set_survey(rollout, target_count=target_count, next_survey_time=survey_time)
        if moved.state is RolloutState.SUCCEEDED:
            self._on_success()

    def _bring_back(self, failed: Rollout, transaction: RolloutTransaction, now: datetime) -> None:
        """Withdraws a rollout and starts another that brings back every device that runs its bundle."""
        transaction.cancel_rollout(failed.rollout_id, UNFINISHED, reason=failed.status, now=now)
        version = find_version(self._models, failed.model.model_name, failed.strategy.rollback_version)
        revision = transaction.next_revision()
        rollback = Rollout(
            rollout_id=str(uuid.uuid5(uuid.UUID(failed.rollout_id), "rollback")),
            model=version.model,
            size_bytes=version.size_bytes,
            target_labels=failed.target_labels,
            target=Target(running_bundle_sha256s=(failed.model.bundle_sha256,)),
            strategy=Strategy(priority=failed.strategy.priority),
            state=RolloutState.RUNNING,
            revision=revision,
            start_revision=revision,
            operator=SERVER_ACTOR,
            create_time=now,
        )
        transaction.add_rollout(opened(rollback, 0, now=now))
        transaction.add_decision(
            RolloutDecision(
                rollout_id=rollback.rollout_id,
                decide_time=now,
                actor=SERVER_ACTOR,
                action=RolloutAction.START,
                reason=f"rollout {failed.rollout_id} failed: {failed.status}",
            )
        )

    def _tell_withdrawn(self, rollout: Rollout) -> None:
        """Only those who heard of the rollout have anything to ask."""
        after: str | None = None
        while page := self._store.list_deployments(rollout.rollout_id, after=after, limit=PAGE_SIZE):
            self._devices.announce([deployment.device_id for deployment in page], rollout.revision)
            after = page[-1].device_id
        with self._store.transaction() as transaction:
            transaction.set_survey(rollout, target_count=rollout.target_count, next_survey_time=None)


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


def _with_times(figures: Sequence[WaveProgress], known: Sequence[WaveProgress]) -> tuple[WaveProgress, ...]:
    """New figures with what was known beside them: when each wave opened, and what was excused."""
    if not known:
        return tuple(figures)
    return tuple(
        replace(
            wave,
            excused_count=min(earlier.excused_count, wave.failed_count),
            open_time=earlier.open_time,
            success_time=earlier.success_time,
        )
        for wave, earlier in zip(figures, known, strict=True)
    )
