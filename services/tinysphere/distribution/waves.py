"""Which wave a device belongs to, and when a wave has succeeded or failed. Pure."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import Enum, auto

from tinysphere.distribution.devices import TargetDevice
from tinysphere.distribution.rules import REFUSED, UNFINISHED
from tinysphere.domain.rollout_plans import OfflinePolicy, Strategy, Wave
from tinysphere.domain.rollouts import Deployment, DeploymentState, Rollout, WaveProgress

HEARTBEAT_GRACE = timedelta(minutes=2)
"""A device heard of so long after its report has sent a heartbeat since, and says in it what it runs."""

_SPAN = 2**64


class Step(Enum):
    """What the progress of the open waves asks for."""

    WAIT = auto()
    FAIL = auto()
    SOAK = auto()
    REOPEN = auto()
    ADVANCE = auto()


def stable_share(*parts: str) -> float:
    """A number from 0 up to 1 that looks random and is always the same for the same parts."""
    digest = hashlib.sha256("\n".join(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") / _SPAN


def wave_of(rollout: Rollout, device: TargetDevice) -> int:
    """Index of the wave a target belongs to: the first one it fits."""
    waves = rollout.strategy.waves
    if len(waves) == 1:
        return 0
    percent = 100 * stable_share(rollout.rollout_id, device.device_id)
    for index, wave in enumerate(waves[:-1]):
        if percent < wave.percent or _is_named(wave, device):
            return index
    return len(waves) - 1


def count(
    rollout: Rollout, devices: Iterable[tuple[TargetDevice, Deployment | None]]
) -> Sequence[WaveProgress]:
    """What these targets add to each wave's figures, times left out.

    A device that says it COMMITTED counts as undecided while it is seen running another bundle.
    """
    waves = [WaveProgress() for _ in rollout.strategy.waves]
    for device, deployment in devices:
        index = wave_of(rollout, device)
        waves[index] = _with(waves[index], device, deployment, rollout)
    return waves


def added(first: Sequence[WaveProgress], second: Sequence[WaveProgress]) -> Sequence[WaveProgress]:
    """The sums of two counts; everything else is the first one's."""
    return [
        replace(
            one,
            device_count=one.device_count + other.device_count,
            committed_count=one.committed_count + other.committed_count,
            failed_count=one.failed_count + other.failed_count,
            underway_count=one.underway_count + other.underway_count,
            skipped_count=one.skipped_count + other.skipped_count,
        )
        for one, other in zip(first, second, strict=True)
    ]


def judge(
    strategy: Strategy, progress: Sequence[WaveProgress], wave_index: int, *, now: datetime
) -> tuple[Step, int, str]:
    """Judge the open waves: a failure in any of them counts, and all must be successful before the next opens.

    Returns:
        What to do, the wave it is about, and why, with the figures.
    """
    opened = list(enumerate(zip(strategy.waves, progress, strict=True)))[: wave_index + 1]
    for index, (wave, reached) in opened:
        if (reason := failure(wave, reached)) is not None:
            return Step.FAIL, index, reason
    for index, (wave, reached) in opened:
        if (missing := lack(wave, reached)) is not None:
            step = Step.WAIT if progress[wave_index].success_time is None else Step.REOPEN
            return step, index, missing
    return _after_success(strategy.waves[wave_index], progress[wave_index], wave_index, now)


def failure(wave: Wave, reached: WaveProgress) -> str | None:
    """Why a wave has failed; None while it has not."""
    failed_count = reached.failed_count - reached.excused_count
    allowed = wave.failure_share * max(reached.decided_count, wave.minimum_device_count)
    if failed_count <= allowed:
        return None
    decided = f"{failed_count} of {reached.decided_count} decided devices failed"
    return f"wave {wave.name}: {decided}, {allowed:.4g} may"


def lack(wave: Wave, reached: WaveProgress) -> str | None:
    """What a wave lacks to be successful; None when it is."""
    wanted_count = reached.device_count - reached.skipped_count
    needed = wave.success_share * wanted_count
    if reached.committed_count < needed:
        return f"wave {wave.name}: {reached.committed_count} of {wanted_count} devices run it, {needed:.4g} needed"
    minimum = min(wave.minimum_device_count, wanted_count)
    if reached.decided_count < minimum:
        return f"wave {wave.name}: {reached.decided_count} of {minimum} devices decided"
    return None


def _after_success(wave: Wave, reached: WaveProgress, index: int, now: datetime) -> tuple[Step, int, str]:
    figures = f"wave {wave.name}: {reached.committed_count} of {reached.device_count} devices run it"
    if reached.success_time is None:
        return Step.SOAK, index, figures
    ends = reached.success_time + wave.soak
    if now < ends:
        return Step.WAIT, index, f"{figures}; soaking until {ends:%Y-%m-%d %H:%M:%S}Z"
    return Step.ADVANCE, index, figures


def _with(
    wave: WaveProgress, device: TargetDevice, deployment: Deployment | None, rollout: Rollout
) -> WaveProgress:
    state = None if deployment is None else deployment.state
    begun = state in UNFINISHED
    skips = rollout.strategy.offline_policy is OfflinePolicy.SKIP
    runs_it = state is DeploymentState.COMMITTED and not _runs_another(rollout, device, deployment)
    is_lost = state is DeploymentState.COMMITTED and not runs_it
    return replace(
        wave,
        device_count=wave.device_count + 1,
        committed_count=wave.committed_count + runs_it,
        failed_count=wave.failed_count + (state in REFUSED),
        underway_count=wave.underway_count + (begun or is_lost),
        skipped_count=wave.skipped_count + (skips and device.is_offline and state is None),
    )


def _runs_another(rollout: Rollout, device: TargetDevice, deployment: Deployment | None) -> bool:
    """Whether the registry heard later than the report that another bundle runs."""
    if deployment is None or device.running_bundle_sha256 in ("", rollout.model.bundle_sha256):
        return False
    return device.last_contact_time > deployment.report_time + HEARTBEAT_GRACE


def _is_named(wave: Wave, device: TargetDevice) -> bool:
    conditions = wave.label_conditions
    return bool(conditions) and all(condition.holds(device.labels) for condition in conditions)
