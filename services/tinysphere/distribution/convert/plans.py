"""Target and strategy of a rollout, from messages and back; every field is checked here."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TypeVar

from google.protobuf.duration_pb2 import Duration

from tinymlops.v1 import rollout_pb2
from tinysphere.distribution.timing import zone
from tinysphere.domain.rollout_plans import (
    ANY_DEVICE,
    EVERYBODY,
    FailureAction,
    LabelCondition,
    LabelOperator,
    OfflinePolicy,
    ScheduleWindow,
    Strategy,
    Target,
    Wave,
)
from tinysphere.errors import InvalidFieldError
from tinysphere.rpc import checks, nouns

MAX_CONDITIONS = 16
MAX_VALUES = 32
MAX_MODELS = 32
MAX_MACHINES = 16
MAX_DEVICES = 1_000
MAX_WAVES = 20
MAX_WINDOWS = 16
MAX_NAME_CHARACTERS = 64
MAX_MODEL_NAME_CHARACTERS = 128
MAX_MINIMUM_DEVICES = 100_000
MAX_OFFERS = 1_000_000
MAX_PRIORITY = 100
MAX_VERSION = 2**63 - 1
MAX_SOAK = timedelta(days=30)
MAX_JITTER = timedelta(days=7)
DAY_MINUTES = 1_440
ZERO = timedelta(0)

ValueT = TypeVar("ValueT")
ReadT = TypeVar("ReadT")

_WITH_VALUES = (LabelOperator.IN, LabelOperator.NOT_IN)


def read_target(field: str, message: rollout_pb2.RolloutTarget) -> Target:
    """What devices must fulfil beside the target labels."""
    return Target(
        label_conditions=_read_conditions(f"{field}.label_conditions", message.label_conditions),
        running_model_names=_read_texts(
            f"{field}.running_model_names", message.running_model_names, MAX_MODELS, MAX_MODEL_NAME_CHARACTERS
        ),
        machines=_read_texts(f"{field}.machines", message.machines, MAX_MACHINES, MAX_NAME_CHARACTERS),
        device_ids=_each(f"{field}.device_ids", message.device_ids, MAX_DEVICES, checks.require_device_id),
        running_bundle_sha256s=_each(
            f"{field}.running_bundle_sha256s",
            message.running_bundle_sha256s,
            MAX_MODELS,
            checks.require_sha256,
        ),
    )


def read_strategy(field: str, message: rollout_pb2.RolloutStrategy) -> Strategy:
    """How the rollout goes about it."""
    action = nouns.read_optional_enum(
        f"{field}.on_failure", message.on_failure, rollout_pb2.FailureAction, FailureAction
    )
    policy = nouns.read_optional_enum(
        f"{field}.offline_policy", message.offline_policy, rollout_pb2.OfflinePolicy, OfflinePolicy
    )
    strategy = Strategy(
        waves=_each(f"{field}.waves", message.waves, MAX_WAVES, _read_wave) or (EVERYBODY,),
        on_failure=action or FailureAction.PAUSE,
        offline_policy=policy or OfflinePolicy.WAIT,
        approval_required=message.approval_required,
        windows=_each(f"{field}.windows", message.windows, MAX_WINDOWS, _read_window),
        offers_per_minute=checks.require_range(
            f"{field}.offers_per_minute", message.offers_per_minute, 0, MAX_OFFERS
        ),
        jitter=checks.require_duration(f"{field}.jitter", message.jitter, ZERO, MAX_JITTER),
        priority=checks.require_range(f"{field}.priority", message.priority, -MAX_PRIORITY, MAX_PRIORITY),
        rollback_version=checks.require_range(
            f"{field}.rollback_version", message.rollback_version, 0, MAX_VERSION
        ),
    )
    if (strategy.on_failure is FailureAction.ROLLBACK) != bool(strategy.rollback_version):
        expected = "a version with on_failure ROLLBACK, and 0 without"
        raise InvalidFieldError(f"{field}.rollback_version", expected, str(strategy.rollback_version))
    return strategy


def target_message(target: Target) -> rollout_pb2.RolloutTarget | None:
    """The message; None, which leaves the field out, where nothing is asked."""
    if target == ANY_DEVICE:
        return None
    return rollout_pb2.RolloutTarget(
        label_conditions=map(_condition_message, target.label_conditions),
        running_model_names=target.running_model_names,
        machines=target.machines,
        device_ids=target.device_ids,
        running_bundle_sha256s=target.running_bundle_sha256s,
    )


def strategy_message(strategy: Strategy) -> rollout_pb2.RolloutStrategy:
    """The message, with every default stated."""
    return rollout_pb2.RolloutStrategy(
        waves=map(_wave_message, strategy.waves),
        on_failure=nouns.enum_number(strategy.on_failure, rollout_pb2.FailureAction),
        offline_policy=nouns.enum_number(strategy.offline_policy, rollout_pb2.OfflinePolicy),
        approval_required=strategy.approval_required,
        windows=map(_window_message, strategy.windows),
        offers_per_minute=strategy.offers_per_minute,
        jitter=_duration(strategy.jitter),
        priority=strategy.priority,
        rollback_version=strategy.rollback_version,
    )


def _read_wave(field: str, message: rollout_pb2.RolloutWave) -> Wave:
    success_share = checks.require_finite(f"{field}.success_share", message.success_share, 0.0, 1.0)
    return Wave(
        name=checks.require_text(f"{field}.name", message.name, 1, MAX_NAME_CHARACTERS),
        percent=checks.require_finite(f"{field}.percent", message.percent, 0.0, 100.0),
        label_conditions=_read_conditions(f"{field}.label_conditions", message.label_conditions),
        success_share=success_share or 1.0,
        failure_share=checks.require_finite(f"{field}.failure_share", message.failure_share, 0.0, 1.0),
        minimum_device_count=checks.require_range(
            f"{field}.minimum_device_count", message.minimum_device_count, 0, MAX_MINIMUM_DEVICES
        ),
        soak=checks.require_duration(f"{field}.soak_duration", message.soak_duration, ZERO, MAX_SOAK),
        approval_required=message.approval_required,
    )


def _read_window(field: str, message: rollout_pb2.ScheduleWindow) -> ScheduleWindow:
    weekdays = _each(
        f"{field}.weekdays", message.weekdays, 7, lambda place, day: checks.require_range(place, day, 1, 7)
    )
    start = checks.require_range(f"{field}.start_minute", message.start_minute, 0, DAY_MINUTES - 1)
    duration = checks.require_range(f"{field}.duration_minutes", message.duration_minutes, 1, DAY_MINUTES)
    try:
        zone(checks.require_text(f"{field}.time_zone", message.time_zone, 1, MAX_NAME_CHARACTERS))
    except ValueError as error:
        expected = 'an IANA time zone, as "Europe/Berlin"'
        raise InvalidFieldError(f"{field}.time_zone", expected, checks.shown(message.time_zone)) from error
    return ScheduleWindow(
        weekdays=weekdays,
        start_minute=start,
        duration_minutes=duration,
        time_zone=message.time_zone,
    )


def _read_conditions(
    field: str, messages: Sequence[rollout_pb2.LabelCondition]
) -> tuple[LabelCondition, ...]:
    return _each(field, messages, MAX_CONDITIONS, _read_condition)


def _read_condition(field: str, message: rollout_pb2.LabelCondition) -> LabelCondition:
    operator = nouns.read_enum(
        f"{field}.operator", message.operator, rollout_pb2.LabelOperator, LabelOperator
    )
    wants_values = operator in _WITH_VALUES
    if not wants_values * 1 <= len(message.values) <= wants_values * MAX_VALUES:
        expected = f"1 to {MAX_VALUES} values with IN and NOT_IN, none otherwise"
        raise InvalidFieldError(f"{field}.values", expected, str(len(message.values)))
    for value in message.values:
        checks.require_labels(field, {message.key: value})
    checks.require_labels(field, {message.key: ""})
    return LabelCondition(key=message.key, operator=operator, values=tuple(message.values))


def _read_texts(field: str, values: Sequence[str], most: int, longest: int) -> tuple[str, ...]:
    return _each(field, values, most, lambda place, value: checks.require_text(place, value, 1, longest))


def _each(
    field: str, values: Sequence[ValueT], most: int, read: Callable[[str, ValueT], ReadT]
) -> tuple[ReadT, ...]:
    """Reads at most so many entries of a repeated field, each by its place."""
    checks.require_length(field, values, 0, most)
    return tuple(read(f"{field}[{index}]", value) for index, value in enumerate(values))


def _wave_message(wave: Wave) -> rollout_pb2.RolloutWave:
    return rollout_pb2.RolloutWave(
        name=wave.name,
        percent=wave.percent,
        label_conditions=map(_condition_message, wave.label_conditions),
        success_share=wave.success_share,
        failure_share=wave.failure_share,
        minimum_device_count=wave.minimum_device_count,
        soak_duration=_duration(wave.soak),
        approval_required=wave.approval_required,
    )


def _window_message(window: ScheduleWindow) -> rollout_pb2.ScheduleWindow:
    return rollout_pb2.ScheduleWindow(
        weekdays=window.weekdays,
        start_minute=window.start_minute,
        duration_minutes=window.duration_minutes,
        time_zone=window.time_zone,
    )


def _condition_message(condition: LabelCondition) -> rollout_pb2.LabelCondition:
    return rollout_pb2.LabelCondition(
        key=condition.key,
        operator=nouns.enum_number(condition.operator, rollout_pb2.LabelOperator),
        values=condition.values,
    )


def _duration(value: timedelta) -> Duration | None:
    if not value:
        return None
    duration = Duration()
    duration.FromTimedelta(value)
    return duration
