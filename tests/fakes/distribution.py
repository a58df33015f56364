"""Models and rollouts in memory, with the contract's refusals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from tinyboard.client.calls import HubError
from tinyboard.views.model_records import (
    DeploymentView,
    RolloutDecisionView,
    RolloutView,
    VersionView,
    WaveView,
)

MOVES = {
    "start": (("DRAFT", "RUNNING"), "RUNNING"),
    "pause": (("RUNNING", "PAUSED"), "PAUSED"),
    "resume": (("PAUSED", "RUNNING"), "RUNNING"),
    "abort": (("DRAFT", "RUNNING", "PAUSED", "ABORTED"), "ABORTED"),
}


class FakeDistribution:
    """Keeps versions, oldest first, and rollouts."""

    def __init__(self, ask: Callable[[str], None]) -> None:
        self._ask = ask
        self.published: list[VersionView] = []
        self.by_id: dict[str, RolloutView] = {}
        self.parts: dict[str, list[DeploymentView]] = {}
        self.decided: dict[str, list[RolloutDecisionView]] = {}

    def models(self) -> tuple[VersionView, ...]:
        self._ask("models")
        newest = {one.model.name: one for one in self.published}
        return tuple(newest[name] for name in sorted(newest))

    def versions(self, model_name: str) -> tuple[VersionView, ...]:
        self._ask("versions")
        return tuple(one for one in reversed(self.published) if one.model.name == model_name)

    def rollouts(self, *, limit: int = 100) -> tuple[RolloutView, ...]:
        self._ask("rollouts")
        return tuple(reversed(self.by_id.values()))[:limit]

    def deployments(self, rollout_id: str) -> tuple[DeploymentView, ...]:
        self._ask("deployments")
        return tuple(self.parts.get(rollout_id, ()))

    def decisions(self, rollout_id: str) -> tuple[RolloutDecisionView, ...]:
        self._ask("decisions")
        return tuple(self.decided.get(rollout_id, ()))

    def create(
        self,
        rollout_id: str,
        model_name: str,
        version: int,
        labels: Mapping[str, str],
        *,
        percents: Sequence[float],
        failure_share: float,
        operator: str,
    ) -> RolloutView:
        self._ask("create_rollout")
        found = [
            one.model
            for one in self.published
            if (one.model.name, one.model.version) == (model_name, version)
        ]
        if not found:
            raise HubError("MODEL_VERSION_NOT_FOUND", f"there is no {model_name} v{version}")
        made = RolloutView(
            rollout_id=rollout_id,
            model=found[0],
            target_labels=tuple(sorted(labels.items())),
            state="DRAFT",
            operator=operator,
            create_time=None,
            counts=(),
            waves=tuple(WaveView(name=f"{percent:g} %") for percent in percents) or (WaveView(name="all"),),
        )
        return self.by_id.setdefault(rollout_id, made)

    def approve(self, rollout_id: str, wave_index: int, *, operator: str) -> None:
        self._ask("approve")
        if wave_index == 0 and self.by_id[rollout_id].operator == operator:
            raise HubError("SELF_APPROVAL", "somebody else must approve it")
        self._decide(rollout_id, "APPROVE", operator, wave_index)

    def start(self, rollout_id: str, *, operator: str) -> None:
        self._move(rollout_id, "start", operator)

    def pause(self, rollout_id: str, *, operator: str) -> None:
        self._move(rollout_id, "pause", operator)

    def resume(self, rollout_id: str, *, operator: str) -> None:
        self._move(rollout_id, "resume", operator)

    def abort(self, rollout_id: str, *, operator: str) -> None:
        self._move(rollout_id, "abort", operator)

    def retry(self, rollout_id: str, *, operator: str) -> None:
        self._ask("retry")
        self._decide(rollout_id, "RETRY", operator)

    def _decide(self, rollout_id: str, action: str, operator: str, wave_index: int = 0) -> None:
        decision = RolloutDecisionView(
            decide_time=None, actor=operator, action=action, wave_index=wave_index, reason=""
        )
        self.decided.setdefault(rollout_id, []).append(decision)

    def _move(self, rollout_id: str, verb: str, operator: str) -> None:
        self._ask(verb)
        rollout = self.by_id[rollout_id]
        allowed, state = MOVES[verb]
        if rollout.state not in allowed:
            raise HubError("ROLLOUT_STATE", f"a rollout that is {rollout.state} cannot be changed so")
        self.by_id[rollout_id] = replace(rollout, state=state)
        self._decide(rollout_id, verb.upper(), operator)
