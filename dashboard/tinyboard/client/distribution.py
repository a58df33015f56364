"""Models and rollouts, asked for over gRPC."""

from __future__ import annotations

from collections.abc import Mapping

import grpc

from tinyboard.client.calls import PAGE_SIZE, Calls
from tinyboard.client.convert import model_view, moment, name_of
from tinyboard.views.model_records import DeploymentView, RolloutView, VersionView
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

    def create(
        self, rollout_id: str, model_name: str, version: int, labels: Mapping[str, str], *, operator: str
    ) -> RolloutView:
        """Makes a rollout that waits to be started; the same id makes it once."""
        wanted = rollout_pb2.Rollout(
            rollout_id=rollout_id,
            model=device_pb2.ModelReference(model_name=model_name, version=version),
            target_labels=labels,
            operator=operator,
        )
        request = rollout_service_pb2.CreateRolloutRequest(rollout=wanted)
        return _rollout_view(self._calls.one(self._rollouts.CreateRollout, request).rollout)

    def start(self, rollout_id: str) -> None:
        """Offers a rollout to its targets."""
        request = rollout_service_pb2.StartRolloutRequest(rollout_id=rollout_id)
        self._calls.one(self._rollouts.StartRollout, request)

    def pause(self, rollout_id: str) -> None:
        """Offers it to nobody new."""
        request = rollout_service_pb2.PauseRolloutRequest(rollout_id=rollout_id)
        self._calls.one(self._rollouts.PauseRollout, request)

    def resume(self, rollout_id: str) -> None:
        """Goes on with a paused one."""
        request = rollout_service_pb2.ResumeRolloutRequest(rollout_id=rollout_id)
        self._calls.one(self._rollouts.ResumeRollout, request)

    def abort(self, rollout_id: str) -> None:
        """Ends it for good."""
        request = rollout_service_pb2.AbortRolloutRequest(rollout_id=rollout_id)
        self._calls.one(self._rollouts.AbortRollout, request)


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
