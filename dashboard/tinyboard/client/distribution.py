"""Models and rollouts, asked for over gRPC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import grpc

from tinyboard.client.calls import PAGE_SIZE, Calls
from tinyboard.client.convert import model_view, moment, name_of
from tinyboard.views.model_records import (
    DeploymentView,
    RolloutDecisionView,
    RolloutView,
    VersionView,
    WaveView,
)
from tinymlops.v1 import (
    device_pb2,
    model_pb2,
    model_service_pb2,
    model_service_pb2_grpc,
    rollout_pb2,
    rollout_service_pb2,
    rollout_service_pb2_grpc,
)


class GrpcDistribution:
    """Speaks to ModelService and RolloutService. Raises `HubError` from every method."""

    def __init__(self, calls: Calls, distribution: grpc.Channel) -> None:
        self._calls = calls
        self._models = model_service_pb2_grpc.ModelServiceStub(distribution)
        self._rollouts = rollout_service_pb2_grpc.RolloutServiceStub(distribution)

    def models(self) -> tuple[VersionView, ...]:
        """The newest version of each model, by name."""
        request = model_service_pb2.ListModelsRequest(page_size=PAGE_SIZE)
        return tuple(
            map(_version_view, self._calls.pages(self._models.ListModels, request, "latest_versions"))
        )

    def versions(self, model_name: str) -> tuple[VersionView, ...]:
        """Versions of one model, newest first."""
        request = model_service_pb2.ListModelVersionsRequest(page_size=PAGE_SIZE, model_name=model_name)
        return tuple(
            map(_version_view, self._calls.pages(self._models.ListModelVersions, request, "model_versions"))
        )

    def rollouts(self, *, limit: int = 100) -> tuple[RolloutView, ...]:
        """The newest `limit` rollouts, newest first."""
        request = rollout_service_pb2.ListRolloutsRequest(page_size=min(limit, PAGE_SIZE))
        return tuple(
            map(_rollout_view, self._calls.pages(self._rollouts.ListRollouts, request, "rollouts", limit))
        )

    def deployments(self, rollout_id: str) -> tuple[DeploymentView, ...]:
        """Each device's part in one rollout, by device."""
        request = rollout_service_pb2.ListDeploymentsRequest(page_size=PAGE_SIZE, rollout_id=rollout_id)
        return tuple(
            map(_deployment_view, self._calls.pages(self._rollouts.ListDeployments, request, "deployments"))
        )

    def decisions(self, rollout_id: str) -> tuple[RolloutDecisionView, ...]:
        """What was decided about one rollout, oldest first."""
        request = rollout_service_pb2.ListRolloutDecisionsRequest(page_size=PAGE_SIZE, rollout_id=rollout_id)
        found = self._calls.pages(self._rollouts.ListRolloutDecisions, request, "decisions")
        return tuple(map(_decision_view, found))

    def create(
        self,
        rollout_id: str,
        model_name: str,
        version: int,
        labels: Mapping[str, str],
        *,
        percents: Sequence[float],
        failure_share: float,
        operator: str,
    ) -> RolloutView:
        """Makes a rollout that waits to be started; the same id makes it once.

        Args:
            percents: Of the targets, one for each wave; empty for all at once.
            failure_share: Of the decided devices of a wave, that may fail.
        """
        waves = (
            rollout_pb2.RolloutWave(name=f"{percent:g} %", percent=percent, failure_share=failure_share)
            for percent in percents
        )
        wanted = rollout_pb2.Rollout(
            rollout_id=rollout_id,
            model=device_pb2.ModelReference(model_name=model_name, version=version),
            target_labels=labels,
            operator=operator,
            strategy=rollout_pb2.RolloutStrategy(waves=waves),
        )
        request = rollout_service_pb2.CreateRolloutRequest(rollout=wanted)
        return _rollout_view(self._calls.one(self._rollouts.CreateRollout, request).rollout)

    def approve(self, rollout_id: str, wave_index: int, *, operator: str) -> None:
        """Approves its start, wave 0, or the wave that opens next."""
        request = rollout_service_pb2.ApproveRolloutRequest(
            rollout_id=rollout_id, wave_index=wave_index, operator=operator
        )
        self._calls.one(self._rollouts.ApproveRollout, request)

    def start(self, rollout_id: str, *, operator: str) -> None:
        """Offers a rollout to the targets of its first wave."""
        request = rollout_service_pb2.StartRolloutRequest(rollout_id=rollout_id, operator=operator)
        self._calls.one(self._rollouts.StartRollout, request)

    def pause(self, rollout_id: str, *, operator: str) -> None:
        """Offers it to nobody new."""
        request = rollout_service_pb2.PauseRolloutRequest(rollout_id=rollout_id, operator=operator)
        self._calls.one(self._rollouts.PauseRollout, request)

    def resume(self, rollout_id: str, *, operator: str) -> None:
        """Goes on with a paused one, in spite of the failures there were."""
        request = rollout_service_pb2.ResumeRolloutRequest(rollout_id=rollout_id, operator=operator)
        self._calls.one(self._rollouts.ResumeRollout, request)

    def abort(self, rollout_id: str, *, operator: str) -> None:
        """Ends it for good."""
        request = rollout_service_pb2.AbortRolloutRequest(rollout_id=rollout_id, operator=operator)
        self._calls.one(self._rollouts.AbortRollout, request)

    def retry(self, rollout_id: str, *, operator: str) -> None:
        """Offers it again where it failed."""
        request = rollout_service_pb2.RetryRolloutRequest(rollout_id=rollout_id, operator=operator)
        self._calls.one(self._rollouts.RetryRollout, request)


def _version_view(version: model_pb2.ModelVersion) -> VersionView:
    return VersionView(
        model=model_view(version.model),
        size_bytes=version.size_bytes,
        release_counter=version.release_counter,
        signing_key_id=version.signing_key_id,
        class_names=tuple(version.class_names),
        metrics=tuple(sorted(version.metrics.items())),
        aliases=tuple(version.aliases),
        publish_time=moment(version, "publish_time"),
    )


def _rollout_view(rollout: rollout_pb2.Rollout) -> RolloutView:
    return RolloutView(
        rollout_id=rollout.rollout_id,
        model=model_view(rollout.model),
        target_labels=tuple(sorted(rollout.target_labels.items())),
        state=name_of(rollout_pb2.RolloutState, "ROLLOUT_STATE_", rollout.state),
        operator=rollout.operator,
        create_time=moment(rollout, "create_time"),
        counts=tuple((_deployment_state(one.state), one.device_count) for one in rollout.deployment_counts),
        approval_required=rollout.strategy.approval_required,
        waves=tuple(map(_wave_view, rollout.strategy.waves, _progress_of(rollout))),
        wave_index=rollout.wave_index,
        status=rollout.status,
    )


def _progress_of(rollout: rollout_pb2.Rollout) -> list[rollout_pb2.WaveProgress]:
    """One for each wave; before the first survey there is none yet."""
    return list(rollout.wave_progress) or [rollout_pb2.WaveProgress() for _ in rollout.strategy.waves]


def _wave_view(wave: rollout_pb2.RolloutWave, progress: rollout_pb2.WaveProgress) -> WaveView:
    return WaveView(
        name=wave.name,
        approval_required=wave.approval_required,
        device_count=progress.device_count,
        committed_count=progress.committed_count,
        failed_count=progress.failed_count,
        open_time=moment(progress, "open_time"),
        success_time=moment(progress, "success_time"),
    )


def _decision_view(decision: rollout_pb2.RolloutDecision) -> RolloutDecisionView:
    return RolloutDecisionView(
        decide_time=moment(decision, "decide_time"),
        actor=decision.actor,
        action=name_of(rollout_pb2.RolloutAction, "ROLLOUT_ACTION_", decision.action),
        wave_index=decision.wave_index,
        reason=decision.reason,
    )


def _deployment_view(deployment: rollout_pb2.Deployment) -> DeploymentView:
    return DeploymentView(
        device_id=deployment.device_id,
        state=_deployment_state(deployment.state),
        reason=deployment.reason,
        report_time=moment(deployment, "report_time"),
    )


def _deployment_state(number: int) -> str:
    return name_of(rollout_pb2.DeploymentState, "DEPLOYMENT_STATE_", number)
