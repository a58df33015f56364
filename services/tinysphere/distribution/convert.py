"""Messages of ModelService and RolloutService to the domain's records and back; every field is checked here."""

from tinymlops.v1 import model_pb2, model_service_pb2, rollout_pb2
from tinysphere.distribution.manifest import MODEL_NAME
from tinysphere.distribution.operations import Plan
from tinysphere.distribution.publishing import Announcement
from tinysphere.domain.models import ModelVersion
from tinysphere.domain.rollouts import (
    Deployment,
    DeploymentReport,
    DeploymentState,
    Rollout,
    UpdateOffer,
)
from tinysphere.rpc import checks, nouns

MAX_OPERATOR_CHARACTERS = 128
MAX_REASON_CHARACTERS = 1024
MAX_VERSION = 2**63 - 1

_ROLLOUT_STATE = rollout_pb2.RolloutState
_DEPLOYMENT_STATE = rollout_pb2.DeploymentState


def read_model_name(field: str, value: str) -> str:
    """1 to 64 characters of [a-z0-9_-]."""
    return checks.require_pattern(field, value, MODEL_NAME, "1 to 64 characters of [a-z0-9_-]")


def read_version(field: str, value: int) -> int | None:
    """A version from 1; None for 0, the newest."""
    return checks.require_range(field, value, 0, MAX_VERSION) or None


def read_announcement(header: model_service_pb2.PublishHeader) -> Announcement:
    """What a publisher says of its bundle."""
    return Announcement(
        model_name=read_model_name("header.model_name", header.model_name),
        bundle_sha256=checks.require_sha256("header.bundle_sha256", header.bundle_sha256),
        size_bytes=checks.require_range("header.size_bytes", header.size_bytes, 1, MAX_VERSION),
    )


def read_plan(rollout: rollout_pb2.Rollout) -> Plan:
    """The fields of a new rollout its operator sets."""
    model = rollout.model
    return Plan(
        rollout_id=checks.require_id("rollout.rollout_id", rollout.rollout_id),
        model_name=read_model_name("rollout.model.model_name", model.model_name),
        version=checks.require_range("rollout.model.version", model.version, 1, MAX_VERSION),
        target_labels=checks.require_labels("rollout.target_labels", rollout.target_labels),
        operator=checks.require_text("rollout.operator", rollout.operator, 1, MAX_OPERATOR_CHARACTERS),
    )


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
    )


def version_message(version: ModelVersion) -> model_pb2.ModelVersion:
    """A published version."""
    return model_pb2.ModelVersion(
        model=nouns.model_reference(version.model),
        size_bytes=version.size_bytes,
        release_counter=version.release_counter,
        signing_key_id=version.signing_key_id,
        class_names=version.class_names,
        metrics=version.metrics,
        aliases=version.aliases,
        publish_time=nouns.to_timestamp(version.publish_time),
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
    )


def offer_message(offer: UpdateOffer | None) -> rollout_pb2.UpdateOffer | None:
    """An offer; None stays None, which leaves the field out."""
    if offer is None:
        return None
    return rollout_pb2.UpdateOffer(
        rollout_id=offer.rollout_id, model=nouns.model_reference(offer.model), size_bytes=offer.size_bytes
    )
