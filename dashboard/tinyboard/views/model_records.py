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
class RolloutView:
    """Bringing one version to many devices; counts by the state of deployments."""

    rollout_id: str
    model: ModelView
    target_labels: tuple[tuple[str, str], ...]
    state: str
    operator: str
    create_time: datetime | None
    counts: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentView:
    """One device's part in a rollout."""

    device_id: str
    state: str
    reason: str
    report_time: datetime | None
