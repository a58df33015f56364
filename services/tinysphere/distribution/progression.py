"""What the figures of a rollout lead to, step by step, until nothing more follows. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from tinysphere.distribution.waves import Step, judge
from tinysphere.domain.rollout_plans import FailureAction
from tinysphere.domain.rollouts import Rollout, RolloutAction, RolloutDecision, RolloutState, WaveProgress

SERVER_ACTOR = "server"

Moved = tuple[Rollout, tuple[RolloutDecision, ...]]


def opened(rollout: Rollout, index: int, *, now: datetime) -> Rollout:
    """The rollout with one more wave open."""
    progress = list(rollout.progress) or [WaveProgress() for _ in rollout.strategy.waves]
    progress[index] = replace(progress[index], open_time=now, success_time=None)
    return replace(rollout, wave_index=index, progress=tuple(progress), status="")


def excused(rollout: Rollout) -> Rollout:
    """The rollout with its failures so far taken note of: they stop it no more."""
    progress = (replace(wave, excused_count=wave.failed_count) for wave in rollout.progress)
    return replace(rollout, progress=tuple(progress), status="")


def proceed(rollout: Rollout, *, now: datetime) -> Moved:
    """Takes every step that a rollout's figures ask for; a PAUSED one succeeds, or stays as it is.

    Args:
        rollout: With the progress of a survey of now.
        now: The time of the decisions.

    Returns:
        The rollout as it goes on, and what was decided.
    """
    decisions: list[RolloutDecision] = []
    while _is_under_way(rollout) and any(wave.device_count for wave in rollout.progress):
        step, index, reason = judge(rollout.strategy, rollout.progress, rollout.wave_index, now=now)
        if rollout.state is RolloutState.PAUSED and not _ends_well(step, rollout):
            break
        rollout = replace(rollout, status=reason)
        if step is Step.WAIT:
            break
        moved, action = _take(step, rollout, now)
        if action is None:
            return moved, tuple(decisions)
        decisions.append(_decision(rollout, action, index, reason, now))
        rollout = moved
        if step is Step.REOPEN:
            break
    return rollout, tuple(decisions)


def next_survey(rollout: Rollout, *, now: datetime, interval: timedelta) -> datetime:
    """When the rollout wants to be looked at again: after ``interval``, or when its wave has soaked."""
    latest = now + interval
    if not rollout.progress:
        return latest
    since = rollout.progress[rollout.wave_index].success_time
    ends = None if since is None else since + rollout.strategy.waves[rollout.wave_index].soak
    return latest if ends is None or ends <= now else min(latest, ends)


def _is_under_way(rollout: Rollout) -> bool:
    return rollout.state in (RolloutState.RUNNING, RolloutState.PAUSED)


def _ends_well(step: Step, rollout: Rollout) -> bool:
    """Whether a step is one of the last two before success."""
    is_last = rollout.wave_index == len(rollout.strategy.waves) - 1
    return is_last and step in (Step.SOAK, Step.ADVANCE)


def _take(step: Step, rollout: Rollout, now: datetime) -> tuple[Rollout, RolloutAction | None]:
    if step is Step.FAIL:
        if rollout.strategy.on_failure is FailureAction.ROLLBACK:
            return replace(rollout, state=RolloutState.ABORTED), RolloutAction.ROLLBACK
        return replace(rollout, state=RolloutState.PAUSED), RolloutAction.PAUSE
    if step is Step.SOAK:
        return _with_success(rollout, now), RolloutAction.SOAK
    if step is Step.REOPEN:
        return _with_success(rollout, None), RolloutAction.REOPEN
    following = rollout.wave_index + 1
    waves = rollout.strategy.waves
    if following == len(waves):
        return replace(rollout, state=RolloutState.SUCCEEDED), RolloutAction.SUCCEED
    if waves[following].approval_required and rollout.approved_wave_index < following:
        return replace(rollout, status=f"wave {waves[following].name} waits for approval"), None
    return opened(rollout, following, now=now), RolloutAction.ADVANCE


def _with_success(rollout: Rollout, moment: datetime | None) -> Rollout:
    progress: Sequence[WaveProgress] = [
        replace(wave, success_time=moment) if index == rollout.wave_index else wave
        for index, wave in enumerate(rollout.progress)
    ]
    return replace(rollout, progress=tuple(progress))


def _decision(
    rollout: Rollout, action: RolloutAction, index: int, reason: str, now: datetime
) -> RolloutDecision:
    return RolloutDecision(
        rollout_id=rollout.rollout_id,
        decide_time=now,
        actor=SERVER_ACTOR,
        action=action,
        reason=reason,
        wave_index=index,
        progress=rollout.progress[index],
    )
