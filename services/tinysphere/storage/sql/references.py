"""Which blobs the rows of all services still need, in SQL.

One database and one blob store serve all three services; a service with a database of its own needs a blob store of its
own, or what it keeps would look like garbage from here.
"""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from tinysphere.domain.packages import PackageState
from tinysphere.storage.ports.garbage import Cutoffs
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.tables_distribution import model_versions, rollouts
from tinysphere.storage.sql.tables_drift import samples
from tinysphere.storage.sql.tables_ingestion import package_files, packages
from tinysphere.storage.sql.tables_package_contents import package_contents


class SqlReferences:
    """See `References`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def forget_unneeded(self, cutoffs: Cutoffs) -> int:
        """See `References.forget_unneeded`."""
        ended = sa.select(packages.c.package_id).where(~_archive_kept(cutoffs))
        statements = [
            sa.delete(model_versions).where(~_published(cutoffs.reserved)),
            sa.delete(package_contents).where(package_contents.c.package_id.in_(ended)),
        ]
        with self._database.transaction() as connection:
            return sum(connection.execute(statement).rowcount for statement in statements)

    def needed(self, digests: Sequence[str], cutoffs: Cutoffs) -> set[str]:
        """See `References.needed`."""
        queries = [
            sa.select(packages.c.sha256).where(packages.c.sha256.in_(digests), _archive_kept(cutoffs)),
            sa.select(package_files.c.sha256)
            .join(packages, packages.c.package_id == package_files.c.package_id)
            .where(package_files.c.sha256.in_(digests), _since(packages.c.commit_time, cutoffs.files)),
            sa.select(samples.c.image_sha256).where(samples.c.image_sha256.in_(digests)),
            sa.select(model_versions.c.bundle_sha256).where(
                model_versions.c.bundle_sha256.in_(digests), _published(cutoffs.reserved)
            ),
            sa.select(rollouts.c.bundle_sha256).where(rollouts.c.bundle_sha256.in_(digests)),
        ]
        with self._database.reading() as connection:
            return {sha256 for query in queries for sha256 in connection.scalars(query.distinct())}


def _archive_kept(cutoffs: Cutoffs) -> sa.ColumnElement[bool]:
    """Whatever is on its way or at work, and what ended not long ago."""
    state = packages.c.state
    ended = {PackageState.PROCESSED.value, PackageState.FAILED.value}
    return sa.or_(
        state.not_in(ended),
        sa.and_(state == PackageState.PROCESSED.value, _since(packages.c.process_time, cutoffs.processed)),
        sa.and_(state == PackageState.FAILED.value, _since(packages.c.commit_time, cutoffs.failed)),
    )


def _published(reserved_since: datetime) -> sa.ColumnElement[bool]:
    """Registered, or begun not long ago."""
    return sa.or_(model_versions.c.version.is_not(None), model_versions.c.publish_time >= reserved_since)


def _since(column: sa.Column[datetime], cutoff: datetime | None) -> sa.ColumnElement[bool]:
    return sa.true() if cutoff is None else column >= cutoff
