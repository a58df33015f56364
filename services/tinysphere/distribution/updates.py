"""What devices ask and tell: whether an update waits for them, and how far they came with it."""

from collections.abc import Callable, Sequence

from tinysphere.distribution.devices import Devices
from tinysphere.distribution.rules import (
    STANDING,
    UNFINISHED,
    Choice,
    choose,
    deciding,
    may_follow,
    targets,
)
from tinysphere.domain.clock import Clock
from tinysphere.domain.rollouts import (
    Deployment,
    DeploymentReport,
    DeploymentState,
    Rollout,
    UpdateAnswer,
    UpdateOffer,
)
from tinysphere.errors import InvalidFieldError, PreconditionError, UnavailableError
from tinysphere.storage.ports.distribution import RolloutStore

MAX_ATTEMPTS = 3
RETRY_AFTER_S = 1.0


class Updates:
    """Decides by the rules, and keeps what was decided before it answers."""

    def __init__(
        self, store: RolloutStore, devices: Devices, *, clock: Clock, on_commit: Callable[[], None]
    ) -> None:
        """Keep the parts; ``on_commit`` is called when a device has COMMITTED."""
        self._store = store
        self._devices = devices
        self._clock = clock
        self._on_commit = on_commit
        # Revision and rollouts of the newest look, replaced as one. A reader never sees half of it.
        self._standing: tuple[int, Sequence[Rollout]] = (-1, ())

    def check(self, device_id: str, running_bundle_sha256: str) -> UpdateAnswer:
        """Answer whether another model version waits for a device.

        Raises:
            NotFoundError: DEVICE_NOT_FOUND.
            UnavailableError: The registry of devices is away and the device was not seen before.
        """
        labels = self._devices.labels(device_id)
        for _ in range(MAX_ATTEMPTS):
            revision, standing = self._look()
            meant = [rollout for rollout in standing if targets(rollout.target_labels, labels)]
            deployments = self._store.deployments_of(device_id, [rollout.rollout_id for rollout in meant])
            choice = choose(meant, deployments, running_bundle_sha256)
            if (
                choice is None
                or choice.record is None
                or self._record(device_id, choice, running_bundle_sha256)
            ):
                return UpdateAnswer(offer=_offer(choice), update_mark=revision)
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
            if not may_follow(stored.state, reported.state):
                return stored
            changed = Deployment(
                rollout_id=reported.rollout_id,
                device_id=reported.device_id,
                state=reported.state,
                reason=reported.reason,
                running_bundle_sha256=reported.running_bundle_sha256,
                report_time=self._clock.now(),
            )
            transaction.put_deployment(changed)
        if changed.state is DeploymentState.COMMITTED:
            self._on_commit()
        return changed

    def _look(self) -> tuple[int, Sequence[Rollout]]:
        """The rollouts that decide, and a revision they are at least as new as."""
        revision = self._store.revision()
        known = self._standing
        if known[0] != revision:
            known = (revision, deciding(self._store.rollouts_in(STANDING)))
            self._standing = known
        return known

    def _record(self, device_id: str, choice: Choice, running_bundle_sha256: str) -> bool:
        """Store the choice, and that it takes the device over; False when the rollout has changed since."""
        assert choice.record is not None
        rollout_id = choice.rollout.rollout_id
        now = self._clock.now()
        with self._store.transaction() as transaction:
            if transaction.hold_rollout(rollout_id).revision != choice.rollout.revision:
                return False
            stored = transaction.lock_deployment(rollout_id, device_id)
            if stored is None or stored.state is DeploymentState.CANCELLED:
                transaction.put_deployment(
                    Deployment(
                        rollout_id=rollout_id,
                        device_id=device_id,
                        state=choice.record,
                        running_bundle_sha256=running_bundle_sha256,
                        report_time=now,
                    )
                )
            transaction.cancel_device(
                device_id,
                UNFINISHED,
                kept_rollout_id=rollout_id,
                reason=f"taken over by rollout {rollout_id}",
                now=now,
            )
        if choice.record is DeploymentState.COMMITTED:
            self._on_commit()
        return True


def _offer(choice: Choice | None) -> UpdateOffer | None:
    if choice is None or not choice.offer:
        return None
    rollout = choice.rollout
    return UpdateOffer(rollout_id=rollout.rollout_id, model=rollout.model, size_bytes=rollout.size_bytes)


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
