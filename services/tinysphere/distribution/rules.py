"""What may follow what, and which version a device should run: pure rules of rollouts.

A rollout *stands* while it says what its targets should run: RUNNING, PAUSED or SUCCEEDED. A SUCCEEDED one
stands on, so that a device that joins late is brought to the version its peers run. Of the standing rollouts
that target a device, the one started last decides, except that a PAUSED one decides only for devices that
have begun with it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from tinysphere.domain.rollouts import Deployment, DeploymentState, Rollout, RolloutState
from tinysphere.errors import PreconditionError


class Verb(Enum):
    """What an operator does to a rollout."""

    START = auto()
    PAUSE = auto()
    RESUME = auto()
    ABORT = auto()


STANDING = (RolloutState.RUNNING, RolloutState.PAUSED, RolloutState.SUCCEEDED)

_VERBS: Mapping[Verb, tuple[frozenset[RolloutState], RolloutState]] = {
    Verb.START: (frozenset({RolloutState.DRAFT}), RolloutState.RUNNING),
    Verb.PAUSE: (frozenset({RolloutState.RUNNING}), RolloutState.PAUSED),
    Verb.RESUME: (frozenset({RolloutState.PAUSED}), RolloutState.RUNNING),
    Verb.ABORT: (
        frozenset({RolloutState.DRAFT, RolloutState.RUNNING, RolloutState.PAUSED}),
        RolloutState.ABORTED,
    ),
}

# The way to COMMITTED, in order. Reports may skip steps: a device that was offline tells only the newest.
_STEPS = (
    DeploymentState.OFFERED,
    DeploymentState.DOWNLOADING,
    DeploymentState.VERIFIED,
    DeploymentState.STAGED,
    DeploymentState.SHADOW,
    DeploymentState.TRIAL,
    DeploymentState.COMMITTED,
)
UNFINISHED = _STEPS[:-1]
_REFUSED = frozenset({DeploymentState.ROLLED_BACK, DeploymentState.FAILED, DeploymentState.REJECTED})
_BEGUN = frozenset(_STEPS[1:]) | _REFUSED

FOLLOWERS: Mapping[DeploymentState, frozenset[DeploymentState]] = {
    **{
        step: frozenset(_STEPS[index + 1 :]) | _REFUSED | {DeploymentState.CANCELLED}
        for index, step in enumerate(UNFINISHED)
    },
    DeploymentState.COMMITTED: frozenset({DeploymentState.ROLLED_BACK}),
    DeploymentState.ROLLED_BACK: frozenset(),
    DeploymentState.FAILED: frozenset(),
    DeploymentState.REJECTED: frozenset(),
    # CANCELLED is the server's word. A device that had switched before it heard of it tells what it runs.
    DeploymentState.CANCELLED: frozenset({DeploymentState.COMMITTED, DeploymentState.ROLLED_BACK}),
}


def state_after(verb: Verb, state: RolloutState) -> RolloutState:
    """State a rollout is in after ``verb``; the present one when it is there already.

    Raises:
        PreconditionError: ROLLOUT_STATE, the verb does not fit the state.
    """
    sources, target = _VERBS[verb]
    if state is target or state in sources:
        return target
    expected = " or ".join(sorted(source.value for source in sources))
    raise PreconditionError(
        "ROLLOUT_STATE",
        f"{verb.name.lower()} a rollout: expected state {expected}, it is {state.value}",
        metadata={"state": state.value},
    )


def may_follow(present: DeploymentState, reported: DeploymentState) -> bool:
    """Whether a report changes what is stored; late and repeated ones do not."""
    return reported in FOLLOWERS[present]


def targets(target_labels: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether a device with ``labels`` is meant by ``target_labels``."""
    return target_labels.items() <= labels.items()


def deciding(rollouts: Iterable[Rollout]) -> tuple[Rollout, ...]:
    """Of the standing ``rollouts``, those that can decide for any device, newest start first.

    One that a newer RUNNING or SUCCEEDED rollout covers (its targets are among the newer one's) never
    decides, so what is left stays short however many rollouts a fleet has seen.
    """
    kept: list[Rollout] = []
    covers: list[Mapping[str, str]] = []
    for rollout in sorted(rollouts, key=lambda rollout: rollout.start_revision, reverse=True):
        if any(targets(cover, rollout.target_labels) for cover in covers):
            continue
        kept.append(rollout)
        if rollout.state is not RolloutState.PAUSED:
            covers.append(rollout.target_labels)
    return tuple(kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a device should run.

    Attributes:
        rollout: The rollout that decides.
        offer: Whether its version is offered.
        record: State to store for the device, None to leave what is stored.
    """

    rollout: Rollout
    offer: bool
    record: DeploymentState | None = None


def choose(
    candidates: Sequence[Rollout], deployments: Mapping[str, Deployment], running_bundle_sha256: str
) -> Choice | None:
    """Choose what one device should run.

    Args:
        candidates: Standing rollouts that target the device, newest start first.
        deployments: The device's deployments by rollout id; rollouts it was never offered are missing.
        running_bundle_sha256: Bundle the device says it runs; empty for none.

    Returns:
        None when no rollout decides for the device.
    """
    for rollout in candidates:
        deployment = deployments.get(rollout.rollout_id)
        state = deployment.state if deployment is not None else None
        if rollout.state is not RolloutState.PAUSED or state in _BEGUN:
            return _choice(rollout, state, running_bundle_sha256 == rollout.model.bundle_sha256)
    return None


def _choice(rollout: Rollout, state: DeploymentState | None, runs_it: bool) -> Choice:
    if state in _REFUSED:
        return Choice(rollout=rollout, offer=False)
    # Never offered here, or taken over by a rollout that was aborted since. OFFERED and beyond is left to
    # the device's own reports: a bundle on trial runs too, and is not committed.
    fresh = state is None or state is DeploymentState.CANCELLED
    if runs_it:
        return Choice(rollout=rollout, offer=False, record=DeploymentState.COMMITTED if fresh else None)
    return Choice(rollout=rollout, offer=True, record=DeploymentState.OFFERED if fresh else None)
