"""Rollouts and deployments over SQLite and PostgreSQL."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tinysphere.domain.rollouts import Deployment, DeploymentState, Rollout, RolloutState
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.rollout_rows import deployment_of, rollout_of, values_of
from tinysphere.storage.sql.rollout_transaction import SqlRolloutTransaction
from tinysphere.storage.sql.tables_distribution import deployments, model_versions, rollout_revision, rollouts

_IN_PROGRESS = (RolloutState.RUNNING.value, RolloutState.PAUSED.value)
_STANDING = (*_IN_PROGRESS, RolloutState.SUCCEEDED.value)
_COMMITTED = deployments.c.state == DeploymentState.COMMITTED.value


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

    def deployments_of(self, device_id: str, rollout_ids: Collection[str]) -> Mapping[str, Deployment]:
        """See `RolloutStore.deployments_of`."""
        query = sa.select(deployments).where(
            deployments.c.device_id == device_id, deployments.c.rollout_id.in_(rollout_ids)
        )
        return {deployment.rollout_id: deployment for deployment in self._deployments(query)}

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

    def due_surveys(self, *, surveyed_before: datetime) -> Sequence[Rollout]:
        """See `RolloutStore.due_surveys`."""
        in_progress = rollouts.c.state.in_(_IN_PROGRESS)
        untold = rollouts.c.state.in_((*_IN_PROGRESS, RolloutState.ABORTED.value)) & (
            rollouts.c.surveyed_revision < rollouts.c.revision
        )
        committed_count = (
            sa.select(sa.func.count())
            .where(deployments.c.rollout_id == rollouts.c.rollout_id, _COMMITTED)
            .scalar_subquery()
        )
        complete = (rollouts.c.target_count > 0) & (rollouts.c.target_count <= committed_count)
        query = sa.select(rollouts).where(
            untold | (in_progress & ((rollouts.c.survey_time < surveyed_before) | complete))
        )
        return self._rollouts(query.order_by(rollouts.c.revision))

    def count_committed(self, rollout_id: str, device_ids: Collection[str]) -> int:
        """See `RolloutStore.count_committed`."""
        query = sa.select(sa.func.count()).where(
            deployments.c.rollout_id == rollout_id, deployments.c.device_id.in_(device_ids), _COMMITTED
        )
        with self._database.reading() as connection:
            return connection.scalar(query) or 0

    def set_survey(self, rollout: Rollout, *, target_count: int | None, now: datetime) -> None:
        """See `RolloutStore.set_survey`."""
        self._update(
            rollout.rollout_id,
            surveyed_revision=rollout.revision,
            target_count=target_count,
            survey_time=now,
        )

    def due_promotions(self) -> Sequence[Rollout]:
        """See `RolloutStore.due_promotions`."""
        query = sa.select(rollouts).where(
            rollouts.c.state == RolloutState.SUCCEEDED.value, rollouts.c.promoted.is_(sa.false())
        )
        return self._rollouts(query.order_by(rollouts.c.revision))

    def set_promoted(self, rollout_id: str) -> None:
        """See `RolloutStore.set_promoted`."""
        self._update(rollout_id, promoted=True)

    def _update(self, rollout_id: str, **values: Any) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                sa.update(rollouts).where(rollouts.c.rollout_id == rollout_id).values(**values)
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
