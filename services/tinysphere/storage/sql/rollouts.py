"""Rollouts and deployments over SQLite and PostgreSQL."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tinysphere.domain.rollouts import Deployment, DeploymentState, Rollout, RolloutDecision, RolloutState
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.rollout_rows import decision_of, deployment_of, rollout_of, values_of
from tinysphere.storage.sql.rollout_transaction import SqlRolloutTransaction
from tinysphere.storage.sql.tables_distribution import (
    deployments,
    model_versions,
    rollout_decisions,
    rollout_revision,
    rollouts,
)

_IN_PROGRESS = (RolloutState.RUNNING.value, RolloutState.PAUSED.value)
_STANDING = (*_IN_PROGRESS, RolloutState.SUCCEEDED.value)


class SqlRolloutStore:
    """See `tinysphere.storage.ports.distribution.RolloutStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def transaction(self) -> Iterator[SqlRolloutTransaction]:
        """See `RolloutStore.transaction`."""
        with self._database.transaction() as connection:
            yield SqlRolloutTransaction(connection)

    def find_rollout(self, rollout_id: str) -> Rollout | None:
        """See `RolloutStore.find_rollout`."""
        query = sa.select(rollouts).where(rollouts.c.rollout_id == rollout_id)
        return next((rollout for _, rollout in self._counted(query)), None)

    def list_rollouts(self, *, after: int | None, limit: int) -> Sequence[tuple[int, Rollout]]:
        """See `RolloutStore.list_rollouts`."""
        query = sa.select(rollouts).order_by(rollouts.c.create_revision.desc()).limit(limit)
        return self._counted(query if after is None else query.where(rollouts.c.create_revision < after))

    def list_deployments(self, rollout_id: str, *, after: str | None, limit: int) -> Sequence[Deployment]:
        """See `RolloutStore.list_deployments`."""
        query = sa.select(deployments).where(deployments.c.rollout_id == rollout_id)
        query = query.order_by(deployments.c.device_id).limit(limit)
        return self._deployments(query if after is None else query.where(deployments.c.device_id > after))

    def revision(self) -> int:
        """See `RolloutStore.revision`."""
        with self._database.reading() as connection:
            return connection.scalar(sa.select(rollout_revision.c.value)) or 0

    def rollouts_in(self, states: Collection[RolloutState]) -> Sequence[Rollout]:
        """See `RolloutStore.rollouts_in`."""
        return self._rollouts(sa.select(rollouts).where(rollouts.c.state.in_(values_of(states))))

    def deployments_of(self, device_id: str) -> Mapping[str, Deployment]:
        """See `RolloutStore.deployments_of`."""
        query = sa.select(deployments).join(rollouts)
        query = query.where(deployments.c.device_id == device_id, rollouts.c.state.in_(_STANDING))
        return {deployment.rollout_id: deployment for deployment in self._deployments(query)}

    def deployments_in(self, rollout_id: str, device_ids: Collection[str]) -> Mapping[str, Deployment]:
        """See `RolloutStore.deployments_in`."""
        query = sa.select(deployments).where(
            deployments.c.rollout_id == rollout_id, deployments.c.device_id.in_(device_ids)
        )
        return {deployment.device_id: deployment for deployment in self._deployments(query)}

    def list_decisions(
        self, rollout_id: str, *, after: int | None, limit: int
    ) -> Sequence[tuple[int, RolloutDecision]]:
        """See `RolloutStore.list_decisions`."""
        query = sa.select(rollout_decisions).where(rollout_decisions.c.rollout_id == rollout_id)
        query = query.order_by(rollout_decisions.c.ordinal).limit(limit)
        with self._database.reading() as connection:
            rows = connection.execute(
                query if after is None else query.where(rollout_decisions.c.ordinal > after)
            )
            return [(row.ordinal, decision_of(row)) for row in rows]

    def artifact_size(self, sha256: str) -> int | None:
        """See `RolloutStore.artifact_size`."""
        of_it = rollouts.c.bundle_sha256 == sha256
        aborted = sa.exists().where(of_it, rollouts.c.state == RolloutState.ABORTED.value)
        standing = sa.exists().where(of_it, rollouts.c.state.in_(_STANDING))
        query = sa.select(model_versions.c.size_bytes).where(
            model_versions.c.bundle_sha256 == sha256,
            model_versions.c.version.is_not(None),
            sa.or_(~aborted, standing),
        )
        with self._database.reading() as connection:
            return connection.scalar(query.limit(1))

    def due_surveys(self, *, now: datetime, touched: Collection[str]) -> Sequence[Rollout]:
        """See `RolloutStore.due_surveys`."""
        in_progress = rollouts.c.state.in_(_IN_PROGRESS)
        untold = rollouts.c.state.in_((*_IN_PROGRESS, RolloutState.ABORTED.value)) & (
            rollouts.c.surveyed_revision < rollouts.c.revision
        )
        wanted = (rollouts.c.next_survey_time <= now) | rollouts.c.rollout_id.in_(touched)
        return self._rollouts(
            sa.select(rollouts).where(untold | (in_progress & wanted)).order_by(rollouts.c.revision)
        )

    def due_promotions(self) -> Sequence[Rollout]:
        """See `RolloutStore.due_promotions`."""
        query = sa.select(rollouts).where(
            rollouts.c.state == RolloutState.SUCCEEDED.value, rollouts.c.promoted.is_(sa.false())
        )
        return self._rollouts(query.order_by(rollouts.c.revision))

    def set_promoted(self, rollout_id: str) -> None:
        """See `RolloutStore.set_promoted`."""
        with self._database.transaction() as connection:
            connection.execute(
                sa.update(rollouts).where(rollouts.c.rollout_id == rollout_id).values(promoted=True)
            )

    def _rollouts(self, query: sa.Select[Any]) -> Sequence[Rollout]:
        with self._database.reading() as connection:
            return [rollout_of(row) for row in connection.execute(query)]

    def _deployments(self, query: sa.Select[Any]) -> Sequence[Deployment]:
        with self._database.reading() as connection:
            return [deployment_of(row) for row in connection.execute(query)]

    def _counted(self, query: sa.Select[Any]) -> Sequence[tuple[int, Rollout]]:
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
            counts = _counts(connection, [row.rollout_id for row in rows])
        return [
            (row.create_revision, replace(rollout_of(row), deployment_counts=counts.get(row.rollout_id, {})))
            for row in rows
        ]


def _counts(
    connection: sa.Connection, rollout_ids: Collection[str]
) -> Mapping[str, Mapping[DeploymentState, int]]:
    query = (
        sa.select(deployments.c.rollout_id, deployments.c.state, sa.func.count())
        .where(deployments.c.rollout_id.in_(rollout_ids))
        .group_by(deployments.c.rollout_id, deployments.c.state)
    )
    counts: dict[str, dict[DeploymentState, int]] = {}
    for rollout_id, state, count in connection.execute(query):
        counts.setdefault(rollout_id, {})[DeploymentState(state)] = count
    return counts
