"""Rollouts and deployments to rows and back."""

from collections.abc import Collection
from enum import Enum
from typing import Any

import sqlalchemy as sa

from tinysphere.domain.devices import ModelReference
from tinysphere.domain.rollouts import Deployment, DeploymentState, Rollout, RolloutState


def values_of(states: Collection[Enum]) -> list[str]:
    """States as the tables name them."""
    return [state.value for state in states]


def rollout_values(rollout: Rollout) -> dict[str, Any]:
    """A row of ``rollouts`` for a new rollout."""
    return {
        "rollout_id": rollout.rollout_id,
        "model_name": rollout.model.model_name,
        "model_version": rollout.model.version,
        "bundle_sha256": rollout.model.bundle_sha256,
        "feature_space": rollout.model.feature_space,
        "size_bytes": rollout.size_bytes,
        "target_labels": dict(rollout.target_labels),
        "operator": rollout.operator,
        "create_time": rollout.create_time,
        "create_revision": rollout.revision,
        "state": rollout.state.value,
        "revision": rollout.revision,
        "start_revision": rollout.start_revision,
    }


def rollout_of(row: sa.Row[Any]) -> Rollout:
    """A rollout without counts."""
    return Rollout(
        rollout_id=row.rollout_id,
        model=ModelReference(
            model_name=row.model_name,
            version=row.model_version,
            bundle_sha256=row.bundle_sha256,
            feature_space=row.feature_space,
        ),
        size_bytes=row.size_bytes,
        target_labels=row.target_labels,
        state=RolloutState(row.state),
        revision=row.revision,
        start_revision=row.start_revision,
        operator=row.operator,
        create_time=row.create_time,
        target_count=row.target_count,
    )


def deployment_values(deployment: Deployment) -> dict[str, Any]:
    """A row of ``deployments``."""
    return {
        "rollout_id": deployment.rollout_id,
        "device_id": deployment.device_id,
        "state": deployment.state.value,
        "reason": deployment.reason,
        "running_bundle_sha256": deployment.running_bundle_sha256,
        "report_time": deployment.report_time,
    }


def deployment_of(row: sa.Row[Any]) -> Deployment:
    """A deployment."""
    return Deployment(
        rollout_id=row.rollout_id,
        device_id=row.device_id,
        state=DeploymentState(row.state),
        reason=row.reason,
        running_bundle_sha256=row.running_bundle_sha256,
        report_time=row.report_time,
    )
