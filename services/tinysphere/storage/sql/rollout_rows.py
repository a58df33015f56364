"""Rollouts and deployments to rows and back."""

from collections.abc import Collection
from enum import Enum
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter

from tinysphere.domain.devices import ModelReference
from tinysphere.domain.rollout_plans import Strategy, Target
from tinysphere.domain.rollouts import (
    Deployment,
    DeploymentState,
    Rollout,
    RolloutAction,
    RolloutDecision,
    RolloutState,
    WaveProgress,
)

# What is stored whole, as JSON: a field that a row lacks has its default.
_TARGET = TypeAdapter(Target)
_STRATEGY = TypeAdapter(Strategy)
_WAVE = TypeAdapter(WaveProgress)
_PROGRESS = TypeAdapter(tuple[WaveProgress, ...])


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
        "target": _TARGET.dump_python(rollout.target, mode="json"),
        "strategy": _STRATEGY.dump_python(rollout.strategy, mode="json"),
        **standing_values(rollout),
    }


def standing_values(rollout: Rollout) -> dict[str, Any]:
    """The columns of ``rollouts`` that say where a rollout stands."""
    return {
        "state": rollout.state.value,
        "revision": rollout.revision,
        "start_revision": rollout.start_revision,
        "wave_index": rollout.wave_index,
        "approved_wave_index": rollout.approved_wave_index,
        "progress": _PROGRESS.dump_python(rollout.progress, mode="json"),
        "status": rollout.status,
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
        target=_TARGET.validate_python(row.target),
        strategy=_STRATEGY.validate_python(row.strategy),
        wave_index=row.wave_index,
        approved_wave_index=row.approved_wave_index,
        progress=_PROGRESS.validate_python(row.progress),
        status=row.status,
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
        "attempt": deployment.attempt,
        "wave_index": deployment.wave_index,
        "offer_time": deployment.offer_time,
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
        attempt=row.attempt,
        wave_index=row.wave_index,
        offer_time=row.offer_time,
    )


def decision_values(decision: RolloutDecision) -> dict[str, Any]:
    """A row of ``rollout_decisions``."""
    wave = decision.progress
    return {
        "rollout_id": decision.rollout_id,
        "decide_time": decision.decide_time,
        "actor": decision.actor,
        "action": decision.action.value,
        "reason": decision.reason,
        "wave_index": decision.wave_index,
        "progress": None if wave is None else _WAVE.dump_python(wave, mode="json"),
    }


def decision_of(row: sa.Row[Any]) -> RolloutDecision:
    """A decision."""
    return RolloutDecision(
        rollout_id=row.rollout_id,
        decide_time=row.decide_time,
        actor=row.actor,
        action=RolloutAction(row.action),
        reason=row.reason,
        wave_index=row.wave_index,
        progress=None if row.progress is None else _WAVE.validate_python(row.progress),
    )
