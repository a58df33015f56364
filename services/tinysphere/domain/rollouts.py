"""Rollouts and what became of them on each device: frozen facts, enums named as in `tinymlops.v1`.

Datetimes are aware UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from tinysphere.domain.devices import ModelReference
from tinysphere.domain.rollout_plans import ANY_DEVICE, AT_ONCE, Strategy, Target


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


class RolloutAction(Enum):
    """What was decided about a rollout."""

    CREATE = "CREATE"
    APPROVE = "APPROVE"
    START = "START"
    ADVANCE = "ADVANCE"
    SOAK = "SOAK"
    REOPEN = "REOPEN"
    PAUSE = "PAUSE"
    RESUME = "RESUME"
    ABORT = "ABORT"
    ROLLBACK = "ROLLBACK"
    RETRY = "RETRY"
    SUCCEED = "SUCCEED"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveProgress:
    """How far one wave came.

    Attributes:
        committed_count: Devices that COMMITTED and are seen running the version.
        failed_count: Devices that ROLLED_BACK, FAILED or REJECTED.
        underway_count: Devices offered it, or further, and not decided.
        skipped_count: Devices left out as offline.
        excused_count: Failures that an operator went on in spite of.
        open_time: None before it opened.
        success_time: Since when it is successful; None while it is not.
    """

    device_count: int = 0
    committed_count: int = 0
    failed_count: int = 0
    underway_count: int = 0
    skipped_count: int = 0
    excused_count: int = 0
    open_time: datetime | None = None
    success_time: datetime | None = None

    @property
    def decided_count(self) -> int:
        return self.committed_count + self.failed_count


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
        target: What targets must fulfil beside their labels.
        strategy: How it goes about it.
        wave_index: Wave that is open, from 0; those before it are open too.
        approved_wave_index: Highest wave that was approved, 0 being the start; -1 for none.
        progress: One for each wave, as the newest survey found it; empty before the start.
        status: What it waits for, or why it was stopped; may be empty.
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
    target: Target = ANY_DEVICE
    strategy: Strategy = AT_ONCE
    wave_index: int = 0
    approved_wave_index: int = -1
    progress: tuple[WaveProgress, ...] = ()
    status: str = ""
    target_count: int | None = None
    deployment_counts: Mapping[DeploymentState, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One device's part in a rollout.

    Attributes:
        reason: Why, for an end other than COMMITTED; may be empty.
        running_bundle_sha256: Bundle the device ran when it reported; empty for none.
        report_time: When it was last changed.
        attempt: Counts retries from 0.
        wave_index: Wave of the device, from 0.
        offer_time: When this attempt was offered; None when the device ran the version already.
    """

    rollout_id: str
    device_id: str
    state: DeploymentState
    report_time: datetime
    reason: str = ""
    running_bundle_sha256: str = ""
    attempt: int = 0
    wave_index: int = 0
    offer_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentReport:
    """What a device says of its part in a rollout; fields as in `Deployment`."""

    rollout_id: str
    device_id: str
    state: DeploymentState
    reason: str = ""
    running_bundle_sha256: str = ""
    attempt: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutDecision:
    """Something that was decided about a rollout; ``actor`` is an operator or "server".

    Attributes:
        reason: Why, with the figures it was decided on.
        progress: The wave as it was then; None where it played no part.
    """

    rollout_id: str
    decide_time: datetime
    actor: str
    action: RolloutAction
    reason: str
    wave_index: int = 0
    progress: WaveProgress | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateOffer:
    """A model version offered to one device."""

    rollout_id: str
    model: ModelReference
    size_bytes: int
    attempt: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateAnswer:
    """Whether another version waits for a device, and the highest revision taken into account.

    Attributes:
        retry_after: When to ask again, where an offer is meant for the device but must not be made yet.
    """

    offer: UpdateOffer | None
    update_mark: int
    retry_after: timedelta | None = None
