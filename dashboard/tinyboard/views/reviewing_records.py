"""What reviewing follows and leaves behind, as the screens show it; enum names as in `records`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tinyboard.views.records import SampleView


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseView:
    """A sample that a reviewer holds, and until when nobody else is handed it."""

    sample: SampleView
    expire_time: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HandView:
    """What a reviewer holds now, and how many open samples match, whoever holds them."""

    leases: tuple[LeaseView, ...]
    open_sample_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewSettingsView:
    """How verdicts become a judgement."""

    revision: int
    policy: str
    required_count: int
    reviewer_count: int
    adjudicators: tuple[str, ...]
    blind: bool
    lease_s: int
    order: str
    reviewer: str
    update_time: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelView:
    """One class name of the catalogue."""

    name: str
    aliases: tuple[str, ...]
    sample_count: int
    creator: str
    create_time: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PairView:
    """How far two reviewers agree; ``cohen_kappa`` None where it is undefined."""

    first_reviewer: str
    second_reviewer: str
    sample_count: int
    agreed_count: int
    cohen_kappa: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementView:
    """How far reviewers agree; ``fleiss_kappa`` None where it is undefined."""

    sample_count: int
    unanimous_count: int
    fleiss_kappa: float | None
    pairs: Sequence[PairView]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditView:
    """One thing somebody did."""

    ordinal: int
    audit_time: datetime | None
    actor: str
    action: str
    subject: str
    from_value: str
    to_value: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenView:
    """A verdict as it was given."""

    sample_id: str
    reviewer: str
    decision: str
    label: str
    submit_time: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupView:
    """Samples that look alike."""

    group_id: str
    feature_space: str
    revision: int
    sample_count: int
    open_sample_count: int
    device_count: int
    device_ids: tuple[str, ...]
    spread: float
    nearest_labels: tuple[tuple[str, float], ...]
    predicted_labels: tuple[tuple[str, int], ...]
    judged_labels: tuple[tuple[str, int], ...]
    representative_sample_ids: tuple[str, ...]
    update_time: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupVerdictView:
    """What a reviewer is about to say of a whole group, as it was at ``revision``."""

    group_id: str
    revision: int
    reviewer: str
    decision: str
    label: str
    excluded_sample_ids: tuple[str, ...]
    occasion: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupOutcomeView:
    """What a verdict on a group brought."""

    group: GroupView
    verdict_count: int
    judged_sample_count: int
    device_count: int
