"""What operators do with rollouts: make, start, pause, resume, abort, look."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from tinysphere.distribution.catalogue import find_version
from tinysphere.distribution.rules import UNFINISHED, Verb, state_after
from tinysphere.domain.clock import Clock
from tinysphere.domain.rollouts import Deployment, Rollout, RolloutState
from tinysphere.errors import ConflictError, NotFoundError
from tinysphere.storage.ports.distribution import ModelStore, RolloutStore

ABORTED = "the rollout was aborted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A rollout as its operator wants it; the id is the caller's."""

    rollout_id: str
    model_name: str
    version: int
    target_labels: Mapping[str, str]
    operator: str


class Operations:
    """Changes rollouts by the rules; every change takes the next revision."""

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
        """
        stored = self._store.find_rollout(plan.rollout_id)
        if stored is None:
            stored = self._add(plan)
        if _plan_of(stored) != plan:
            raise ConflictError(
                "ROLLOUT_CONFLICT", f"rollout {plan.rollout_id} has other content; make a new id"
            )
        return stored

    def change(self, rollout_id: str, verb: Verb) -> Rollout:
        """Apply a verb; nothing happens to a rollout that is there already.

        Raises:
            NotFoundError: ROLLOUT_NOT_FOUND.
            PreconditionError: ROLLOUT_STATE, the verb does not fit the state.
        """
        with self._store.transaction() as transaction:
            rollout = transaction.lock_rollout(rollout_id)
            state = state_after(verb, rollout.state)
            if state is not rollout.state:
                revision = transaction.next_revision()
                start_revision = revision if verb is Verb.START else rollout.start_revision
                transaction.set_state(
                    replace(rollout, state=state, revision=revision, start_revision=start_revision)
                )
                if verb is Verb.ABORT:
                    transaction.cancel_rollout(rollout_id, UNFINISHED, reason=ABORTED, now=self._clock.now())
        self._on_change()
        return self.rollout(rollout_id)

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

    def _add(self, plan: Plan) -> Rollout:
        version = find_version(self._models, plan.model_name, plan.version)
        try:
            with self._store.transaction() as transaction:
                rollout = Rollout(
                    rollout_id=plan.rollout_id,
                    model=version.model,
                    size_bytes=version.size_bytes,
                    target_labels=plan.target_labels,
                    state=RolloutState.DRAFT,
                    revision=transaction.next_revision(),
                    start_revision=0,
                    operator=plan.operator,
                    create_time=self._clock.now(),
                )
                transaction.add_rollout(rollout)
                return rollout
        except ConflictError:  # a repetition of this very call was faster
            return self.rollout(plan.rollout_id)


def _plan_of(rollout: Rollout) -> Plan:
    return Plan(
        rollout_id=rollout.rollout_id,
        model_name=rollout.model.model_name,
        version=rollout.model.version,
        target_labels=rollout.target_labels,
        operator=rollout.operator,
    )
