"""The queue of samples that wait for a verdict, and who looks at which of them now: frozen facts."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tinysphere.domain.drift import Sample, Severity

# What teaches most: shares of a value from 0 to 1.
UNCERTAINTY_SHARE = 0.5
SEVERITY_SHARE = 0.25
GROUP_SHARE = 0.25
GROUP_STEPS = (
    6  # a group of 2, 4, 8, ... 64 samples is worth a step more each time; larger ones as much as 64
)

# Who waits that long overtakes whatever comes then, however much it teaches.
OVERTAKING_TIME = timedelta(days=7)
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_RANKS = {severity: rank for rank, severity in enumerate(Severity, start=1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFilter:
    """Which samples are wanted; empty means all."""

    device_id: str = ""
    drift_event_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleLease:
    """A sample that nobody else is handed before ``expire_time``."""

    sample: Sample
    expire_time: datetime


def severity_value(severity: Severity | None) -> float:
    """What an event's severity adds to the value of its samples."""
    return SEVERITY_SHARE * _RANKS[severity] / len(_RANKS) if severity is not None else 0.0


def group_value(sample_count: int) -> float:
    """What a group of so many look-alikes adds to the value of each."""
    steps = min(max(sample_count, 1).bit_length() - 1, GROUP_STEPS)
    return GROUP_SHARE * steps / GROUP_STEPS


def arrival_value(enter_time: datetime) -> float:
    """What coming later costs.

    Everything that waits gains at one rate, so the order of two samples never changes while they wait: a value
    less what the later arrival costs is a fixed sort key, which an index serves ("linear ageing").
    """
    return -((enter_time - _EPOCH) / OVERTAKING_TIME)
