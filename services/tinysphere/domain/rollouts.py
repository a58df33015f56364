"""Rollouts and what became of them on each device: frozen facts, enums named as in `tinymlops.v1`.

Datetimes are aware UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from tinysphere.domain.devices import ModelReference


class RolloutState(Enum):
    """State of a rollout."""

    DRAFT = "DRAFT"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    SUCCEEDED = "SUCCEEDED"
    ABORTED = "ABORTED"


class DeploymentState(Enum):
    """How far one device came with one rollout. Only COMMITTED counts as success."""

    OFFERED = "OFFERED"
    DOWNLOADING = "DOWNLOADING"
    VERIFIED = "VERIFIED"
    STAGED = "STAGED"
    SHADOW = "SHADOW"
    TRIAL = "TRIAL"
    COMMITTED = "COMMITTED"
    ROLLED_BACK = "ROLLED_BACK"
    FAILED = "FAILED"
    REJECTED = "REJECTED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """Bringing one model version to many devices.

    Attributes:
        model: Version to bring.
        size_bytes: Size of its bundle file.
        target_labels: Targets carry every one of these labels with these values; empty for all devices.
        revision: Grows with every change of any rollout.
        start_revision: Revision of its start; of two rollouts, the one started later is the newer. 0 before.
        operator: Who made it.
        target_count: Targets counted by the newest survey; None before the first.
        deployment_counts: Deployments by state, states without any left out.
    """

    rollout_id: str
    model: ModelReference
    size_bytes: int
    target_labels: Mapping[str, str]
    state: RolloutState
    revision: int
    start_revision: int
    operator: str
    create_time: datetime
    target_count: int | None = None
    deployment_counts: Mapping[DeploymentState, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One device's part in a rollout.

    Attributes:
        reason: Why, for an end other than COMMITTED; may be empty.
        running_bundle_sha256: Bundle the device ran when it reported; empty for none.
        report_time: When it was last changed.
    """

    rollout_id: str
    device_id: str
    state: DeploymentState
    report_time: datetime
    reason: str = ""
    running_bundle_sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentReport:
    """What a device says of its part in a rollout; fields as in `Deployment`."""

    rollout_id: str
    device_id: str
    state: DeploymentState
    reason: str = ""
    running_bundle_sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateOffer:
    """A model version offered to one device."""

    rollout_id: str
    model: ModelReference
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateAnswer:
    """Whether another version waits for a device, and the highest revision taken into account."""

    offer: UpdateOffer | None
    update_mark: int
