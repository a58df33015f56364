"""Messages of RolloutService to the domain's records and back; every field is checked here."""

from google.protobuf.duration_pb2 import Duration

from tinymlops.v1 import rollout_pb2, rollout_service_pb2
from tinysphere.distribution.convert import plans
from tinysphere.distribution.convert.models import MAX_VERSION, read_model_name
from tinysphere.distribution.operations import Plan
from tinysphere.domain.rollouts import (
    Deployment,
    DeploymentReport,
    DeploymentState,
    Rollout,
    RolloutDecision,
    UpdateAnswer,
    UpdateOffer,
    WaveProgress,
)
from tinysphere.rpc import checks, nouns

MAX_OPERATOR_CHARACTERS = 128
MAX_REASON_CHARACTERS = 1024
MAX_ATTEMPT = 2**31 - 1
UNNAMED_OPERATOR = "operator"

_ROLLOUT_STATE = rollout_pb2.RolloutState
_ROLLOUT_ACTION = rollout_pb2.RolloutAction
_DEPLOYMENT_STATE = rollout_pb2.DeploymentState


def read_plan(rollout: rollout_pb2.Rollout) -> Plan:
    """The fields of a new rollout its operator sets."""
    model = rollout.model
    return Plan(
        rollout_id=checks.require_id("rollout.rollout_id", rollout.rollout_id),
        model_name=read_model_name("rollout.model.model_name", model.model_name),
        version=checks.require_range("rollout.model.version", model.version, 1, MAX_VERSION),
        target_labels=checks.require_labels("rollout.target_labels", rollout.target_labels),
        operator=checks.require_text("rollout.operator", rollout.operator, 1, MAX_OPERATOR_CHARACTERS),
        target=plans.read_target("rollout.target", rollout.target),
        strategy=plans.read_strategy("rollout.strategy", rollout.strategy),
    )


def read_operator(operator: str) -> str:
    """Who uses a verb."""
    return checks.require_text("operator", operator, 0, MAX_OPERATOR_CHARACTERS) or UNNAMED_OPERATOR


def read_report(deployment: rollout_pb2.Deployment) -> DeploymentReport:
    """A device's report."""
    field, running = "deployment", deployment.running_bundle_sha256
    return DeploymentReport(
        rollout_id=checks.require_id(f"{field}.rollout_id", deployment.rollout_id),
        device_id=checks.require_device_id(f"{field}.device_id", deployment.device_id),
        state=nouns.read_enum(f"{field}.state", deployment.state, _DEPLOYMENT_STATE, DeploymentState),
        reason=checks.require_text(f"{field}.reason", deployment.reason, 0, MAX_REASON_CHARACTERS),
        running_bundle_sha256=(
            checks.require_sha256(f"{field}.running_bundle_sha256", running) if running else ""
        ),
        attempt=checks.require_range(f"{field}.attempt", deployment.attempt, 0, MAX_ATTEMPT),
    )


def rollout_message(rollout: Rollout) -> rollout_pb2.Rollout:
    """A rollout with its counts, in the order of the states."""
    return rollout_pb2.Rollout(
        rollout_id=rollout.rollout_id,
        model=nouns.model_reference(rollout.model),
        target_labels=rollout.target_labels,
        state=nouns.enum_number(rollout.state, _ROLLOUT_STATE),
        revision=rollout.revision,
        operator=rollout.operator,
        create_time=nouns.to_timestamp(rollout.create_time),
        deployment_counts=[
            rollout_pb2.DeploymentCount(
                state=nouns.enum_number(state, _DEPLOYMENT_STATE),
                device_count=rollout.deployment_counts[state],
            )
            for state in DeploymentState
            if state in rollout.deployment_counts
        ],
        target=plans.target_message(rollout.target),
        strategy=plans.strategy_message(rollout.strategy),
        wave_index=rollout.wave_index,
        wave_progress=[_progress_message(wave) for wave in rollout.progress],
        status=rollout.status,
    )


def deployment_message(deployment: Deployment) -> rollout_pb2.Deployment:
    """One device's part in a rollout."""
    return rollout_pb2.Deployment(
        rollout_id=deployment.rollout_id,
        device_id=deployment.device_id,
        state=nouns.enum_number(deployment.state, _DEPLOYMENT_STATE),
        reason=deployment.reason,
        running_bundle_sha256=deployment.running_bundle_sha256,
        report_time=nouns.to_timestamp(deployment.report_time),
        attempt=deployment.attempt,
        wave_index=deployment.wave_index,
    )


def decision_message(ordinal: int, decision: RolloutDecision) -> rollout_pb2.RolloutDecision:
    """A decision."""
    wave = decision.progress
    return rollout_pb2.RolloutDecision(
        ordinal=ordinal,
        rollout_id=decision.rollout_id,
        decide_time=nouns.to_timestamp(decision.decide_time),
        actor=decision.actor,
        action=nouns.enum_number(decision.action, _ROLLOUT_ACTION),
        wave_index=decision.wave_index,
        reason=decision.reason,
        progress=None if wave is None else _progress_message(wave),
    )


def answer_message(answer: UpdateAnswer) -> rollout_service_pb2.CheckUpdateResponse:
    """What a device is told that asked."""
    retry_after = None
    if answer.retry_after is not None:
        retry_after = Duration()
        retry_after.FromTimedelta(answer.retry_after)
    return rollout_service_pb2.CheckUpdateResponse(
        offer=_offer_message(answer.offer), update_mark=answer.update_mark, retry_after=retry_after
    )


def _progress_message(wave: WaveProgress) -> rollout_pb2.WaveProgress:
    return rollout_pb2.WaveProgress(
        device_count=wave.device_count,
        committed_count=wave.committed_count,
        failed_count=wave.failed_count,
        underway_count=wave.underway_count,
        skipped_count=wave.skipped_count,
        open_time=nouns.to_timestamp(wave.open_time),
        success_time=nouns.to_timestamp(wave.success_time),
    )


def _offer_message(offer: UpdateOffer | None) -> rollout_pb2.UpdateOffer | None:
    if offer is None:
        return None
    return rollout_pb2.UpdateOffer(
        rollout_id=offer.rollout_id,
        model=nouns.model_reference(offer.model),
        size_bytes=offer.size_bytes,
        attempt=offer.attempt,
    )
