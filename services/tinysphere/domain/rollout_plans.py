"""What an operator asks of a rollout: which devices it is for, and how it goes about it. Frozen facts.

Enums are named as in `tinymlops.v1`; the defaults are what the contract says of fields that are left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum


class LabelOperator(Enum):
    """What is asked of a label."""

    IN = "IN"
    NOT_IN = "NOT_IN"
    EXISTS = "EXISTS"
    MISSING = "MISSING"


class FailureAction(Enum):
    """What to do when a wave fails."""

    PAUSE = "PAUSE"
    ROLLBACK = "ROLLBACK"


class OfflinePolicy(Enum):
    """What offline devices count for when a wave is judged."""

    WAIT = "WAIT"
    SKIP = "SKIP"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelCondition:
    """What a label must be; ``values`` for IN and NOT_IN only."""

    key: str
    operator: LabelOperator
    values: tuple[str, ...] = ()

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether a device with these labels fulfils it."""
        value = labels.get(self.key)
        match self.operator:
            case LabelOperator.IN:
                return value in self.values
            case LabelOperator.NOT_IN:
                return value not in self.values
            case LabelOperator.EXISTS:
                return value is not None
            case LabelOperator.MISSING:
                return value is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What devices must fulfil beside the target labels; an empty part asks for nothing.

    Attributes:
        machines: Architectures, as ``uname -m`` prints them.
    """

    label_conditions: tuple[LabelCondition, ...] = ()
    running_model_names: tuple[str, ...] = ()
    machines: tuple[str, ...] = ()
    device_ids: tuple[str, ...] = ()
    running_bundle_sha256s: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """One step of a rollout.

    Attributes:
        percent: Share of the targets in this wave or one before it, 0 to 100; the last wave takes the rest.
        label_conditions: Devices that fulfil all of these belong to it too; empty for no such devices.
        success_share: Share of its devices that must run the version, above 0 up to 1.
        failure_share: Share of the decided devices, and at least of ``minimum_device_count``, that may fail.
        minimum_device_count: Devices that must be decided before it succeeds; no more than it has.
        soak: How long it must stay successful.
    """

    name: str
    percent: float = 0.0
    label_conditions: tuple[LabelCondition, ...] = ()
    success_share: float = 1.0
    failure_share: float = 0.0
    minimum_device_count: int = 0
    soak: timedelta = timedelta(0)
    approval_required: bool = False


EVERYBODY = Wave(name="all", percent=100.0, failure_share=1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleWindow:
    """A time of the week; it begins on ``weekdays`` (1 is Monday; empty: every day) at ``start_minute``."""

    weekdays: tuple[int, ...]
    start_minute: int
    duration_minutes: int
    time_zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """How a rollout goes about it.

    Attributes:
        waves: At least one; `EVERYBODY` alone where the operator asked for none.
        offers_per_minute: 0 for no limit.
        jitter: Offers of one wave are spread over this time.
        rollback_version: Version to return to with ROLLBACK; 0 otherwise.
    """

    waves: tuple[Wave, ...] = (EVERYBODY,)
    on_failure: FailureAction = FailureAction.PAUSE
    offline_policy: OfflinePolicy = OfflinePolicy.WAIT
    approval_required: bool = False
    windows: tuple[ScheduleWindow, ...] = ()
    offers_per_minute: int = 0
    jitter: timedelta = timedelta(0)
    priority: int = 0
    rollback_version: int = 0


ANY_DEVICE = Target()
AT_ONCE = Strategy()
