"""What devices ask and tell: whether an update waits for them, and how far they came with it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from tinysphere.distribution.devices import Devices, TargetDevice
from tinysphere.distribution.rules import REFUSED, STANDING, UNFINISHED, Choice, choose, may_follow
from tinysphere.distribution.targets import Candidates
from tinysphere.distribution.timing import wait_before_offer
from tinysphere.distribution.waves import stable_share, wave_of
from tinysphere.domain.clock import Clock
from tinysphere.domain.devices import ModelReference
from tinysphere.domain.rollouts import (
    Deployment,
    DeploymentReport,
    DeploymentState,
    Rollout,
    UpdateAnswer,
    UpdateOffer,
)
from tinysphere.errors import InvalidFieldError, PreconditionError, UnavailableError
from tinysphere.storage.ports.distribution import RolloutStore, RolloutTransaction

RATE_PERIOD = timedelta(minutes=1)
RATE_SPREAD = timedelta(seconds=15)  # not everybody who waits comes back at once
NO_WAIT = timedelta(0)
MAX_ATTEMPTS = 3
RETRY_AFTER_S = 1.0


class Updates:
    """Decides by the rules, and keeps what was decided before it answers."""

    def __init__(
        self, store: RolloutStore, devices: Devices, *, clock: Clock, on_decision: Callable[[str], None]
    ) -> None:
        """Keep the parts; ``on_decision`` is called with the rollout when a device has COMMITTED or failed."""
        self._store = store
        self._devices = devices
        self._clock = clock
        self._on_decision = on_decision
        # Revision and rollouts of the newest look, replaced as one. A reader never sees half of it.
        self._standing: tuple[int, Candidates] = (-1, Candidates(()))

    def check(self, device_id: str, running: ModelReference) -> UpdateAnswer:
        """Answer whether another model version waits for a device.

        Raises:
            NotFoundError: DEVICE_NOT_FOUND.
            UnavailableError: The registry of devices is away and the device was not seen before.
        """
        device = replace(
            self._devices.device(device_id),
            running_model_name=running.model_name,
            running_bundle_sha256=running.bundle_sha256,
        )
        for _ in range(MAX_ATTEMPTS):
            revision, candidates = self._look()
            deployments = self._store.deployments_of(device_id)
            meant = candidates.meant(device, deployments.keys())
            choice = choose(
                meant, deployments, running.bundle_sha256, wave_of=lambda rollout: wave_of(rollout, device)
            )
            try:
                wait = self._record(device, choice) if choice is not None else NO_WAIT
            except _RolloutChangedError:
                continue
            if wait > NO_WAIT:
                return UpdateAnswer(offer=None, update_mark=revision, retry_after=wait)
            return UpdateAnswer(offer=_offer(choice, deployments), update_mark=revision)
        raise UnavailableError(
            "ROLLOUTS_CHANGING", "rollouts change at this moment; ask again", retry_after_s=RETRY_AFTER_S
        )

    def report(self, reported: DeploymentReport) -> Deployment:
        """Take a device's report. Late and repeated ones change nothing.

        Returns:
            The deployment as stored.

        Raises:
            NotFoundError: ROLLOUT_NOT_FOUND.
            PreconditionError: DEPLOYMENT_NOT_OFFERED, the device is no target.
            InvalidFieldError: COMMITTED while another bundle runs.
        """
        with self._store.transaction() as transaction:
            rollout = transaction.hold_rollout(reported.rollout_id)
            stored = transaction.lock_deployment(reported.rollout_id, reported.device_id)
            if stored is None:
                raise PreconditionError(
                    "DEPLOYMENT_NOT_OFFERED",
                    f"rollout {reported.rollout_id} was not offered to device {reported.device_id}",
                )
            _require_running(reported, rollout)
            if reported.attempt < stored.attempt or not may_follow(stored.state, reported.state):
                return stored
            changed = replace(
                stored,
                state=reported.state,
                reason=reported.reason,
                running_bundle_sha256=reported.running_bundle_sha256,
                report_time=self._clock.now(),
            )
            transaction.put_deployment(changed)
        self._tell_decision(changed)
        return changed

    def _look(self) -> tuple[int, Candidates]:
        """The rollouts that decide, and a revision they are at least as new as."""
        revision = self._store.revision()
        known = self._standing
        if known[0] != revision:
            known = (revision, Candidates(self._store.rollouts_in(STANDING)))
            self._standing = known
        return known

    def _record(self, device: TargetDevice, choice: Choice) -> timedelta:
        """Store the choice, and that it takes the device over; returns how long the device has to wait instead.

        Raises:
            _RolloutChangedError: Since the choice.
        """
        rollout, state = choice.rollout, choice.record
        if state is None:
            return NO_WAIT
        now, index = self._clock.now(), wave_of(rollout, device)
        is_offer = state is DeploymentState.OFFERED
        if is_offer and (wait := wait_before_offer(rollout, index, device.device_id, now=now)):
            return wait
        with self._store.transaction() as transaction:
            if is_offer and (wait := _rate_wait(rollout, device.device_id, transaction, now)):
                return wait
            if transaction.hold_rollout(rollout.rollout_id).revision != rollout.revision:
                raise _RolloutChangedError
            stored = transaction.lock_deployment(rollout.rollout_id, device.device_id)
            if stored is None or stored.state is DeploymentState.CANCELLED:
                deployment = Deployment(
                    rollout_id=rollout.rollout_id,
                    device_id=device.device_id,
                    state=state,
                    running_bundle_sha256=device.running_bundle_sha256,
                    report_time=now,
                    attempt=stored.attempt if stored is not None else 0,
                    wave_index=index,
                    offer_time=now if is_offer else None,
                )
                transaction.put_deployment(deployment)
            transaction.cancel_device(
                device.device_id,
                UNFINISHED,
                kept_rollout_id=rollout.rollout_id,
                reason=f"taken over by rollout {rollout.rollout_id}",
                now=now,
            )
        if not is_offer:
            self._on_decision(rollout.rollout_id)
        return NO_WAIT

    def _tell_decision(self, changed: Deployment) -> None:
        if changed.state is DeploymentState.COMMITTED or changed.state in REFUSED:
            self._on_decision(changed.rollout_id)


class _RolloutChangedError(Exception):
    """What was decided on has changed since."""


def _rate_wait(rollout: Rollout, device_id: str, transaction: RolloutTransaction, now: datetime) -> timedelta:
    """How long a device has to wait because enough others were offered the rollout in the last minute."""
    limit = rollout.strategy.offers_per_minute
    if not limit:
        return NO_WAIT
    transaction.lock_rollout(rollout.rollout_id)  # alone, so that two never take the last place
    count, first = transaction.offers_since(rollout.rollout_id, now - RATE_PERIOD)
    if count < limit or first is None:
        return NO_WAIT
    return first + RATE_PERIOD - now + RATE_SPREAD * stable_share(device_id, rollout.rollout_id, "rate")


def _offer(choice: Choice | None, deployments: Mapping[str, Deployment]) -> UpdateOffer | None:
    if choice is None or not choice.offer:
        return None
    rollout = choice.rollout
    known = deployments.get(rollout.rollout_id)
    return UpdateOffer(
        rollout_id=rollout.rollout_id,
        model=rollout.model,
        size_bytes=rollout.size_bytes,
        attempt=known.attempt if known is not None else 0,
    )


def _require_running(reported: DeploymentReport, rollout: Rollout) -> None:
    """Success is what runs, not what was fetched."""
    if reported.state is not DeploymentState.COMMITTED:
        return
    if reported.running_bundle_sha256 != rollout.model.bundle_sha256:
        raise InvalidFieldError(
            "deployment.running_bundle_sha256",
            f"the rollout's bundle {rollout.model.bundle_sha256}, since COMMITTED means that it runs",
            reported.running_bundle_sha256 or "none",
        )
