"""What may follow what, and which version a device should run: pure rules of rollouts.

A rollout *stands* while it says what its targets should run: RUNNING, PAUSED or SUCCEEDED. A SUCCEEDED one
stands on, so that a device that joins late is brought to the version its peers run. Of the standing rollouts
that target a device, the first in the order of `targets.in_order` decides, except that a PAUSED one, and one whose
wave of the device is not open, decide only for devices that have begun with it.
"""

from collections.abc import Callable, Mapping, Sequence
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
REFUSED = frozenset({DeploymentState.ROLLED_BACK, DeploymentState.FAILED, DeploymentState.REJECTED})
_BEGUN = frozenset(_STEPS[1:]) | REFUSED

FOLLOWERS: Mapping[DeploymentState, frozenset[DeploymentState]] = {
    **{
        step: frozenset(_STEPS[index + 1 :]) | REFUSED | {DeploymentState.CANCELLED}
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
    candidates: Sequence[Rollout],
    deployments: Mapping[str, Deployment],
    running_bundle_sha256: str,
    *,
    wave_of: Callable[[Rollout], int],
) -> Choice | None:
    """Choose what one device should run.

    Args:
        candidates: Standing rollouts that target the device, in the order in which they decide.
        deployments: The device's deployments by rollout id; rollouts it was never offered are missing.
        running_bundle_sha256: Bundle the device says it runs; empty for none.
        wave_of: The device's wave in a rollout.

    Returns:
        None when no rollout decides for the device.
    """
    for rollout in candidates:
        deployment = deployments.get(rollout.rollout_id)
        state = deployment.state if deployment is not None else None
        if state in _BEGUN or _is_open(rollout, wave_of):
            return _choice(rollout, state, running_bundle_sha256 == rollout.model.bundle_sha256)
    return None


def _is_open(rollout: Rollout, wave_of: Callable[[Rollout], int]) -> bool:
    """Whether a device that has not begun may be offered it."""
    if rollout.state is RolloutState.PAUSED:
        return False
    return rollout.state is RolloutState.SUCCEEDED or wave_of(rollout) <= rollout.wave_index


def _choice(rollout: Rollout, state: DeploymentState | None, runs_it: bool) -> Choice:
    if state in REFUSED:
        return Choice(rollout=rollout, offer=False)
    # Never offered here, or taken over by a rollout that was aborted since. OFFERED and beyond is left to
    # the device's own reports: a bundle on trial runs too, and is not committed.
    fresh = state is None or state is DeploymentState.CANCELLED
    if runs_it:
        return Choice(rollout=rollout, offer=False, record=DeploymentState.COMMITTED if fresh else None)
    return Choice(rollout=rollout, offer=True, record=DeploymentState.OFFERED if fresh else None)
