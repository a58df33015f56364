"""What distribution keeps: registered model versions, rollouts and the deployments of each."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from tinysphere.domain.models import ModelVersion
from tinysphere.domain.rollouts import Deployment, DeploymentState, Rollout, RolloutDecision, RolloutState


class ModelStore(Protocol):
    """Model versions. A reserved one has no number yet and is found by nobody."""

    def reserve(self, version: ModelVersion) -> None:
        """Note that a bundle is about to be stored and registered; nothing when it was noted before."""

    def activate(self, model_name: str, bundle_sha256: str, version: int) -> ModelVersion:
        """Give a reserved version its number.

        Returns:
            The version as stored; one that had a number keeps it.

        Raises:
            ConflictError: MODEL_VERSION_CONFLICT, another bundle has the number.
        """

    def find_bundle(self, model_name: str, bundle_sha256: str) -> ModelVersion | None:
        """The version a bundle was registered as."""

    def find_version(self, model_name: str, version: int | None) -> ModelVersion | None:
        """One version; the newest for None."""

    def latest_versions(self, *, after: str | None, limit: int) -> Sequence[ModelVersion]:
        """Newest version of each model, in the order of the names, which is the key."""

    def list_versions(self, model_name: str, *, after: int | None, limit: int) -> Sequence[ModelVersion]:
        """Versions of a model, newest first; the key is the version."""


class RolloutTransaction(Protocol):
    """Steps that happen together or not at all."""

    def next_revision(self) -> int:
        """Count one change. Revisions become visible in their order."""

    def add_rollout(self, rollout: Rollout) -> None:
        """Add a rollout.

        Raises:
            ConflictError: ROLLOUT_CONFLICT, the id was taken at this very moment.
        """

    def lock_rollout(self, rollout_id: str) -> Rollout:
        """A rollout, without counts; nobody else changes it until the transaction ends.

        Raises:
            NotFoundError: ROLLOUT_NOT_FOUND.
        """

    def hold_rollout(self, rollout_id: str) -> Rollout:
        """As `lock_rollout`, but others may hold it too."""

    def set_state(self, rollout: Rollout) -> None:
        """Store where a rollout stands: state, revisions, wave, approval, progress, status."""

    def add_decision(self, decision: RolloutDecision) -> None:
        """Append a decision."""

    def set_survey(
        self, rollout: Rollout, *, target_count: int | None, next_survey_time: datetime | None
    ) -> None:
        """Store that a rollout was surveyed as it was at ``rollout.revision``; None: it wants no other survey."""

    def offers_since(self, rollout_id: str, moment: datetime) -> tuple[int, datetime | None]:
        """How many devices were offered a rollout since a moment, and when the first of them was."""

    def retry_deployments(
        self, rollout_id: str, states: Collection[DeploymentState], *, reason: str, now: datetime
    ) -> int:
        """Turn deployments in these states into CANCELLED ones of the next attempt; returns how many."""

    def lock_deployment(self, rollout_id: str, device_id: str) -> Deployment | None:
        """A deployment; nobody else changes it until the transaction ends."""

    def put_deployment(self, deployment: Deployment) -> None:
        """Add or replace a deployment."""

    def cancel_rollout(
        self, rollout_id: str, states: Collection[DeploymentState], *, reason: str, now: datetime
    ) -> None:
        """Turn a rollout's deployments in these states into CANCELLED."""

    def cancel_device(
        self,
        device_id: str,
        states: Collection[DeploymentState],
        *,
        kept_rollout_id: str,
        reason: str,
        now: datetime,
    ) -> None:
        """Turn a device's deployments in these states into CANCELLED, except in one rollout."""


class RolloutStore(Protocol):
    """Rollouts and deployments, kept durably."""

    def transaction(self) -> AbstractContextManager[RolloutTransaction]:
        """Commits when the block ends, takes everything back when it raises."""

    def find_rollout(self, rollout_id: str) -> Rollout | None:
        """A rollout with its counts."""

    def list_rollouts(self, *, after: int | None, limit: int) -> Sequence[tuple[int, Rollout]]:
        """Newest first, each with its key."""

    def list_deployments(self, rollout_id: str, *, after: str | None, limit: int) -> Sequence[Deployment]:
        """In the order of the device ids, which is the key."""

    def revision(self) -> int:
        """Highest revision; 0 before the first change."""

    def rollouts_in(self, states: Collection[RolloutState]) -> Sequence[Rollout]:
        """Rollouts in these states, without counts."""

    def deployments_of(self, device_id: str) -> Mapping[str, Deployment]:
        """A device's deployments in rollouts that stand, by rollout id."""

    def deployments_in(self, rollout_id: str, device_ids: Collection[str]) -> Mapping[str, Deployment]:
        """Deployments of these devices in one rollout, by device id."""

    def list_decisions(
        self, rollout_id: str, *, after: int | None, limit: int
    ) -> Sequence[tuple[int, RolloutDecision]]:
        """Oldest first, each with its key."""

    def artifact_size(self, sha256: str) -> int | None:
        """Size of a registered bundle in bytes; None when unknown or withdrawn.

        A bundle is withdrawn while a rollout of it is ABORTED and no other stands.
        """

    def due_surveys(self, *, now: datetime, touched: Collection[str]) -> Sequence[Rollout]:
        """Rollouts whose targets want counting or telling, oldest change first, without counts.

        Those that changed since the newest survey; of the RUNNING and PAUSED ones, those whose next survey is due
        and those that were ``touched``.
        """

    def due_promotions(self) -> Sequence[Rollout]:
        """SUCCEEDED rollouts the registry has not heard of, oldest success first, without counts."""

    def set_promoted(self, rollout_id: str) -> None:
        """The registry has heard of a success."""
