"""What operators do with rollouts: make, approve, start, pause, resume, abort, retry, look."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from tinysphere.distribution.catalogue import find_version
from tinysphere.distribution.progression import excused, opened
from tinysphere.distribution.rules import REFUSED, UNFINISHED, Verb, state_after
from tinysphere.domain.clock import Clock
from tinysphere.domain.models import ModelVersion
from tinysphere.domain.rollout_plans import ANY_DEVICE, AT_ONCE, Strategy, Target
from tinysphere.domain.rollouts import Deployment, Rollout, RolloutAction, RolloutDecision, RolloutState
from tinysphere.errors import ConflictError, NotFoundError, PreconditionError
from tinysphere.storage.ports.distribution import ModelStore, RolloutStore, RolloutTransaction

ABORTED = "the rollout was aborted"
RETRIED = "to be tried again"
_OVER = (RolloutState.SUCCEEDED, RolloutState.ABORTED)
_ACTIONS = {
    Verb.START: RolloutAction.START,
    Verb.PAUSE: RolloutAction.PAUSE,
    Verb.RESUME: RolloutAction.RESUME,
    Verb.ABORT: RolloutAction.ABORT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A rollout as its operator wants it; the id is the caller's."""

    rollout_id: str
    model_name: str
    version: int
    target_labels: Mapping[str, str]
    operator: str
    target: Target = ANY_DEVICE
    strategy: Strategy = AT_ONCE


class Operations:
    """Changes rollouts by the rules; every change takes the next revision and leaves a decision."""

    def __init__(
        self, store: RolloutStore, models: ModelStore, *, clock: Clock, on_change: Callable[[], None]
    ) -> None:
        """Keep the parts; ``on_change`` is called after a change that devices should hear of."""
        self._store = store
        self._models = models
        self._clock = clock
        self._on_change = on_change

    def create(self, plan: Plan) -> Rollout:
        """Make a DRAFT; the stored rollout when the id and the content are known.

        Raises:
            NotFoundError: MODEL_VERSION_NOT_FOUND.
            ConflictError: ROLLOUT_CONFLICT, the id has other content.
            PreconditionError: ROLLBACK_COUNTER, devices would refuse the version to return to.
        """
        stored = self._store.find_rollout(plan.rollout_id)
        if stored is None:
            stored = self._add(plan)
        if _plan_of(stored) != plan:
            raise ConflictError(
                "ROLLOUT_CONFLICT", f"rollout {plan.rollout_id} has other content; make a new id"
            )
        return stored

    def approve(self, rollout_id: str, wave_index: int, *, operator: str) -> Rollout:
        """Approve the start, wave 0, or the wave that is to open next.

        Raises:
            NotFoundError: ROLLOUT_NOT_FOUND.
            PreconditionError: ROLLOUT_STATE, SELF_APPROVAL or WAVE_MOVED.
        """
        with self._store.transaction() as transaction:
            rollout = transaction.lock_rollout(rollout_id)
            if rollout.approved_wave_index < wave_index:
                _require_approvable(rollout, wave_index, operator)
                changed = replace(
                    rollout, approved_wave_index=wave_index, revision=transaction.next_revision()
                )
                transaction.set_state(changed)
                self._note(changed, RolloutAction.APPROVE, operator, transaction, wave_index=wave_index)
        self._on_change()
        return self.rollout(rollout_id)

    def change(self, rollout_id: str, verb: Verb, *, operator: str) -> Rollout:
        """Apply a verb; nothing happens to a rollout that is there already.

        Raises:
            NotFoundError: ROLLOUT_NOT_FOUND.
            PreconditionError: ROLLOUT_STATE, the verb does not fit the state; APPROVAL_REQUIRED.
        """
        with self._store.transaction() as transaction:
            rollout = transaction.lock_rollout(rollout_id)
            state = state_after(verb, rollout.state)
            if state is not rollout.state:
                changed = replace(
                    self._changed(rollout, verb, operator), state=state, revision=transaction.next_revision()
                )
                if verb is Verb.START:
                    changed = replace(changed, start_revision=changed.revision)
                transaction.set_state(changed)
                if verb is Verb.ABORT:
                    transaction.cancel_rollout(rollout_id, UNFINISHED, reason=ABORTED, now=self._clock.now())
                self._note(changed, _ACTIONS[verb], operator, transaction)
        self._on_change()
        return self.rollout(rollout_id)

    def retry(self, rollout_id: str, *, operator: str) -> tuple[Rollout, int]:
        """Offer the version again where it failed.

        Returns:
            The rollout, and how many devices will be offered it again.

        Raises:
            NotFoundError: ROLLOUT_NOT_FOUND.
            PreconditionError: ROLLOUT_STATE.
        """
        with self._store.transaction() as transaction:
            rollout = transaction.lock_rollout(rollout_id)
            if rollout.state not in (RolloutState.RUNNING, RolloutState.PAUSED):
                raise _wrong_state("retry", rollout, "RUNNING or PAUSED")
            device_count = transaction.retry_deployments(
                rollout_id, REFUSED, reason=RETRIED, now=self._clock.now()
            )
            changed = replace(rollout, revision=transaction.next_revision())
            transaction.set_state(changed)
            self._note(changed, RolloutAction.RETRY, operator, transaction, reason=f"{device_count} devices")
        self._on_change()
        return self.rollout(rollout_id), device_count

    def rollout(self, rollout_id: str) -> Rollout:
        """One rollout with its counts.

        Raises:
            NotFoundError: ROLLOUT_NOT_FOUND.
        """
        found = self._store.find_rollout(rollout_id)
        if found is None:
            raise NotFoundError("ROLLOUT_NOT_FOUND", f"no rollout {rollout_id}")
        return found

    def rollouts(self, *, after: int | None, limit: int) -> Sequence[tuple[int, Rollout]]:
        """Newest first, each with its key."""
        return self._store.list_rollouts(after=after, limit=limit)

    def deployments(self, rollout_id: str, *, after: str | None, limit: int) -> Sequence[Deployment]:
        """Deployments of a rollout in the order of the device ids, which is the key; none of an unknown one."""
        return self._store.list_deployments(rollout_id, after=after, limit=limit)

    def decisions(
        self, rollout_id: str, *, after: int | None, limit: int
    ) -> Sequence[tuple[int, RolloutDecision]]:
        """What was decided about a rollout, oldest first, each with its key; nothing of an unknown one."""
        return self._store.list_decisions(rollout_id, after=after, limit=limit)

    def _add(self, plan: Plan) -> Rollout:
        version = find_version(self._models, plan.model_name, plan.version)
        self._require_way_back(version, plan.strategy.rollback_version)
        try:
            with self._store.transaction() as transaction:
                rollout = Rollout(
                    rollout_id=plan.rollout_id,
                    model=version.model,
                    size_bytes=version.size_bytes,
                    target_labels=plan.target_labels,
                    target=plan.target,
                    strategy=plan.strategy,
                    state=RolloutState.DRAFT,
                    revision=transaction.next_revision(),
                    start_revision=0,
                    operator=plan.operator,
                    create_time=self._clock.now(),
                )
                transaction.add_rollout(rollout)
                self._note(rollout, RolloutAction.CREATE, plan.operator, transaction)
                return rollout
        except ConflictError:  # a repetition of this very call was faster
            return self.rollout(plan.rollout_id)

    def _require_way_back(self, version: ModelVersion, rollback_version: int) -> None:
        if not rollback_version:
            return
        way_back = find_version(self._models, version.model.model_name, rollback_version)
        if way_back.release_counter <= version.release_counter:
            raise PreconditionError(
                "ROLLBACK_COUNTER",
                f"version {rollback_version} has release counter {way_back.release_counter}: devices take it "
                f"back only with one above {version.release_counter}; publish the old content under a new counter",
            )

    def _changed(self, rollout: Rollout, verb: Verb, operator: str) -> Rollout:
        """What a verb changes beside the state."""
        if verb is Verb.START:
            required = rollout.strategy.approval_required or rollout.strategy.waves[0].approval_required
            if required and rollout.approved_wave_index < 0:
                raise PreconditionError(
                    "APPROVAL_REQUIRED", f"rollout {rollout.rollout_id}: somebody else must approve it first"
                )
            return opened(rollout, 0, now=self._clock.now())
        if verb is Verb.RESUME:
            return excused(rollout)
        return replace(rollout, status=f"{verb.name.lower()} by {operator}")

    def _note(
        self,
        rollout: Rollout,
        action: RolloutAction,
        operator: str,
        transaction: RolloutTransaction,
        *,
        reason: str = "",
        wave_index: int | None = None,
    ) -> None:
        transaction.add_decision(
            RolloutDecision(
                rollout_id=rollout.rollout_id,
                decide_time=self._clock.now(),
                actor=operator,
                action=action,
                reason=reason,
                wave_index=rollout.wave_index if wave_index is None else wave_index,
            )
        )


def _require_approvable(rollout: Rollout, wave_index: int, operator: str) -> None:
    if rollout.state in _OVER:
        raise _wrong_state("approve", rollout, "DRAFT, RUNNING or PAUSED")
    is_draft = rollout.state is RolloutState.DRAFT
    if is_draft and operator == rollout.operator:
        raise PreconditionError(
            "SELF_APPROVAL",
            f"rollout {rollout.rollout_id} was made by {operator}: somebody else must approve it",
        )
    following = 0 if is_draft else rollout.wave_index + 1
    if wave_index != following:
        raise PreconditionError(
            "WAVE_MOVED",
            f"wave_index: expected {following}, the wave that opens next, got {wave_index}",
            metadata={"wave_index": str(following)},
        )


def _wrong_state(verb: str, rollout: Rollout, expected: str) -> PreconditionError:
    return PreconditionError(
        "ROLLOUT_STATE",
        f"{verb} a rollout: expected state {expected}, it is {rollout.state.value}",
        metadata={"state": rollout.state.value},
    )


def _plan_of(rollout: Rollout) -> Plan:
    return Plan(
        rollout_id=rollout.rollout_id,
        model_name=rollout.model.model_name,
        version=rollout.model.version,
        target_labels=rollout.target_labels,
        operator=rollout.operator,
        target=rollout.target,
        strategy=rollout.strategy,
    )
