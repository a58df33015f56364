"""Rollouts from the contract's messages, and a new one as a message."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from google.protobuf.duration_pb2 import Duration

from tinymlops.v1 import device_pb2, rollout_pb2
from tinysphere.domain.rollout_plans import FailureAction, Strategy, Wave
from tinysphere.domain.rollouts import (
    DeploymentState,
    Rollout,
    RolloutAction,
    RolloutDecision,
    RolloutState,
    WaveProgress,
)
from tinysphere.operating.convert.moments import read_moment
from tinysphere.rpc import nouns


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRollout:
    """What the command line asks for; anything finer goes through the contract itself."""

    rollout_id: str
    model_name: str
    version: int
    target_labels: Mapping[str, str]
    strategy: Strategy


def rollout_message(wanted: NewRollout, operator: str) -> rollout_pb2.Rollout:
    """A draft."""
    strategy = wanted.strategy
    return rollout_pb2.Rollout(
        rollout_id=wanted.rollout_id,
        model=device_pb2.ModelReference(model_name=wanted.model_name, version=wanted.version),
        target_labels=wanted.target_labels,
        operator=operator,
        strategy=rollout_pb2.RolloutStrategy(
            waves=map(_wave_message, strategy.waves),
            on_failure=nouns.enum_number(strategy.on_failure, rollout_pb2.FailureAction),
            approval_required=strategy.approval_required,
            offers_per_minute=strategy.offers_per_minute,
            rollback_version=strategy.rollback_version,
        ),
    )


def read_rollout(message: rollout_pb2.Rollout) -> Rollout:
    """The record of a message, as far as people are shown it."""
    waves = (Wave(name=wave.name, soak=wave.soak_duration.ToTimedelta()) for wave in message.strategy.waves)
    return Rollout(
        rollout_id=message.rollout_id,
        model=nouns.read_model_reference("model", message.model),
        size_bytes=0,
        target_labels=dict(message.target_labels),
        state=nouns.read_enum("state", message.state, rollout_pb2.RolloutState, RolloutState),
        revision=message.revision,
        start_revision=0,
        operator=message.operator,
        create_time=read_moment(message.create_time),
        strategy=Strategy(
            waves=tuple(waves),
            on_failure=nouns.read_optional_enum(
                "on_failure", message.strategy.on_failure, rollout_pb2.FailureAction, FailureAction
            )
            or FailureAction.PAUSE,
        ),
        wave_index=message.wave_index,
        progress=tuple(map(_read_progress, message.wave_progress)),
        status=message.status,
        deployment_counts={
            nouns.read_enum(
                "state", one.state, rollout_pb2.DeploymentState, DeploymentState
            ): one.device_count
            for one in message.deployment_counts
        },
    )


def read_decision(message: rollout_pb2.RolloutDecision) -> RolloutDecision:
    """The record of a message."""
    return RolloutDecision(
        rollout_id=message.rollout_id,
        decide_time=read_moment(message.decide_time),
        actor=message.actor,
        action=nouns.read_enum("action", message.action, rollout_pb2.RolloutAction, RolloutAction),
        reason=message.reason,
        wave_index=message.wave_index,
    )


def _read_progress(message: rollout_pb2.WaveProgress) -> WaveProgress:
    return WaveProgress(
        device_count=message.device_count,
        committed_count=message.committed_count,
        failed_count=message.failed_count,
        underway_count=message.underway_count,
        skipped_count=message.skipped_count,
        open_time=read_moment(message.open_time) if message.HasField("open_time") else None,
        success_time=read_moment(message.success_time) if message.HasField("success_time") else None,
    )


def _wave_message(wave: Wave) -> rollout_pb2.RolloutWave:
    return rollout_pb2.RolloutWave(
        name=wave.name,
        percent=wave.percent,
        success_share=wave.success_share,
        failure_share=wave.failure_share,
        minimum_device_count=wave.minimum_device_count,
        soak_duration=_duration(wave.soak),
    )


def _duration(value: timedelta) -> Duration:
    duration = Duration()
    duration.FromTimedelta(value)
    return duration
