"""The steps of one change of rollouts over SQLite and PostgreSQL.

SQLite has one writer at a time; on PostgreSQL (READ COMMITTED) every statement after a lock sees what its last
holder committed. Locks are taken in the order rollout, revision, deployments.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from tinysphere.domain.rollouts import Deployment, DeploymentState, Rollout, RolloutDecision
from tinysphere.errors import ConflictError, NotFoundError
from tinysphere.storage.sql.rollout_rows import (
    decision_values,
    deployment_of,
    deployment_values,
    rollout_of,
    rollout_values,
    standing_values,
    values_of,
)
from tinysphere.storage.sql.tables_distribution import (
    deployments,
    rollout_decisions,
    rollout_revision,
    rollouts,
)
from tinysphere.storage.sql.upsert import insert

_ONLY_ROW = 1


class SqlRolloutTransaction:
    """See `tinysphere.storage.ports.distribution.RolloutTransaction`."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def next_revision(self) -> int:
        """See `RolloutTransaction.next_revision`."""
        value = rollout_revision.c.value
        statement = insert(self._connection.dialect.name, rollout_revision).values(id=_ONLY_ROW, value=1)
        statement = statement.on_conflict_do_update(index_elements=["id"], set_={"value": value + 1})
        return int(self._connection.execute(statement.returning(value)).scalar_one())

    def add_rollout(self, rollout: Rollout) -> None:
        """See `RolloutTransaction.add_rollout`."""
        try:
            self._connection.execute(sa.insert(rollouts).values(rollout_values(rollout)))
        except IntegrityError as error:
            raise ConflictError(
                "ROLLOUT_CONFLICT", f"rollout {rollout.rollout_id} was made at this moment"
            ) from error

    def lock_rollout(self, rollout_id: str) -> Rollout:
        """See `RolloutTransaction.lock_rollout`."""
        return self._locked(rollout_id, shared=False)

    def hold_rollout(self, rollout_id: str) -> Rollout:
        """See `RolloutTransaction.hold_rollout`."""
        return self._locked(rollout_id, shared=True)

    def set_state(self, rollout: Rollout) -> None:
        """See `RolloutTransaction.set_state`."""
        self._change(rollout, **standing_values(rollout))

    def add_decision(self, decision: RolloutDecision) -> None:
        """See `RolloutTransaction.add_decision`."""
        self._connection.execute(sa.insert(rollout_decisions).values(decision_values(decision)))

    def set_survey(
        self, rollout: Rollout, *, target_count: int | None, next_survey_time: datetime | None
    ) -> None:
        """See `RolloutTransaction.set_survey`."""
        self._change(
            rollout,
            surveyed_revision=rollout.revision,
            target_count=target_count,
            next_survey_time=next_survey_time,
        )

    def offers_since(self, rollout_id: str, moment: datetime) -> tuple[int, datetime | None]:
        """See `RolloutTransaction.offers_since`."""
        offered = deployments.c.offer_time
        query = sa.select(sa.func.count(), sa.func.min(offered, type_=offered.type)).where(
            deployments.c.rollout_id == rollout_id, offered > moment
        )
        count, first = self._connection.execute(query).one()
        return count, first

    def retry_deployments(
        self, rollout_id: str, states: Collection[DeploymentState], *, reason: str, now: datetime
    ) -> int:
        """See `RolloutTransaction.retry_deployments`."""
        change = sa.update(deployments).where(
            deployments.c.rollout_id == rollout_id, deployments.c.state.in_(values_of(states))
        )
        changed = self._connection.execute(
            change.values(
                state=DeploymentState.CANCELLED.value,
                reason=reason,
                report_time=now,
                attempt=deployments.c.attempt + 1,
            )
        )
        return changed.rowcount

    def lock_deployment(self, rollout_id: str, device_id: str) -> Deployment | None:
        """See `RolloutTransaction.lock_deployment`."""
        query = sa.select(deployments).where(
            deployments.c.rollout_id == rollout_id, deployments.c.device_id == device_id
        )
        row = self._connection.execute(query.with_for_update()).one_or_none()
        return None if row is None else deployment_of(row)

    def put_deployment(self, deployment: Deployment) -> None:
        """See `RolloutTransaction.put_deployment`."""
        values = deployment_values(deployment)
        statement = insert(self._connection.dialect.name, deployments).values(values)
        self._connection.execute(
            statement.on_conflict_do_update(index_elements=["rollout_id", "device_id"], set_=values)
        )

    def cancel_rollout(
        self, rollout_id: str, states: Collection[DeploymentState], *, reason: str, now: datetime
    ) -> None:
        """See `RolloutTransaction.cancel_rollout`."""
        self._cancel(deployments.c.rollout_id == rollout_id, states, reason, now)

    def cancel_device(
        self,
        device_id: str,
        states: Collection[DeploymentState],
        *,
        kept_rollout_id: str,
        reason: str,
        now: datetime,
    ) -> None:
        """See `RolloutTransaction.cancel_device`."""
        others = (deployments.c.device_id == device_id) & (deployments.c.rollout_id != kept_rollout_id)
        self._cancel(others, states, reason, now)

    def _change(self, rollout: Rollout, **values: Any) -> None:
        change = sa.update(rollouts).where(rollouts.c.rollout_id == rollout.rollout_id)
        self._connection.execute(change.values(**values))

    def _locked(self, rollout_id: str, *, shared: bool) -> Rollout:
        query = sa.select(rollouts).where(rollouts.c.rollout_id == rollout_id)
        row = self._connection.execute(query.with_for_update(read=shared)).one_or_none()
        if row is None:
            raise NotFoundError("ROLLOUT_NOT_FOUND", f"no rollout {rollout_id}")
        return rollout_of(row)

    def _cancel(
        self,
        condition: sa.ColumnElement[bool],
        states: Collection[DeploymentState],
        reason: str,
        now: datetime,
    ) -> None:
        change = sa.update(deployments).where(condition, deployments.c.state.in_(values_of(states)))
        self._connection.execute(
            change.values(state=DeploymentState.CANCELLED.value, reason=reason, report_time=now)
        )
