"""Models, and how they are brought to devices; enum names as in `records`."""

from dataclasses import dataclass
from datetime import datetime

from tinyboard.views.records import ModelView


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionView:
    """One published version of a model."""

    model: ModelView
    size_bytes: int
    release_counter: int
    signing_key_id: str
    class_names: tuple[str, ...]
    metrics: tuple[tuple[str, float], ...]
    aliases: tuple[str, ...]
    publish_time: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveView:
    """One step of a rollout, and how far it came; times are None before they came."""

    name: str
    approval_required: bool = False
    device_count: int = 0
    committed_count: int = 0
    failed_count: int = 0
    open_time: datetime | None = None
    success_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutView:
    """Bringing one version to many devices; counts by the state of deployments.

    Attributes:
        approval_required: Somebody else than its maker must approve before it may start.
        status: What it waits for, or why it was stopped; may be empty.
    """

    rollout_id: str
    model: ModelView
    target_labels: tuple[tuple[str, str], ...]
    state: str
    operator: str
    create_time: datetime | None
    counts: tuple[tuple[str, int], ...]
    approval_required: bool = False
    waves: tuple[WaveView, ...] = ()
    wave_index: int = 0
    status: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutDecisionView:
    """Something that was decided about a rollout, by a person or by its rules."""

    decide_time: datetime | None
    actor: str
    action: str
    wave_index: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentView:
    """One device's part in a rollout."""

    device_id: str
    state: str
    reason: str
    report_time: datetime | None
