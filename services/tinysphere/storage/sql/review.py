"""What is read of reviewing, over SQLite and PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from tinysphere.domain.audit import AuditRecord
from tinysphere.domain.drift import Decision, Sample
from tinysphere.domain.labels import label_key
from tinysphere.domain.review import Label, ReviewSettings
from tinysphere.storage.ports.drift import TimeKey
from tinysphere.storage.ports.review import AuditFilter, AuditKey, Rating
from tinysphere.storage.sql import review_pages as pages
from tinysphere.storage.sql.audit import record_from
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.drift_rows import sample_from
from tinysphere.storage.sql.labels import SqlLabelSteps, read_labels
from tinysphere.storage.sql.review_settings import ROW, settings_from


class SqlReviewStore:
    """See `tinysphere.storage.ports.review.ReviewStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get_settings(self) -> ReviewSettings:
        """See `ReviewStore.get_settings`."""
        with self._database.reading() as connection:
            row = connection.execute(ROW).mappings().one_or_none()
        return ReviewSettings() if row is None else settings_from(row)

    def list_labels(self, *, after: str | None, limit: int) -> Sequence[Label]:
        """See `ReviewStore.list_labels`."""
        with self._database.reading() as connection:
            key = None if after is None else label_key(after)
            return read_labels(connection, pages.label_page(after=key, limit=limit))

    def list_disagreements(self, *, after: TimeKey | None, limit: int) -> Sequence[Sample]:
        """See `ReviewStore.list_disagreements`."""
        query = pages.disagreement_page(after=after, limit=limit)
        return [sample_from(row) for row in self._read(query)]

    def list_audit(
        self, wanted: AuditFilter, *, after: AuditKey | None, limit: int
    ) -> Sequence[tuple[int, AuditRecord]]:
        """See `ReviewStore.list_audit`."""
        query = pages.audit_page(wanted, after=after, limit=limit)
        return [(row["ordinal"], record_from(row)) for row in self._read(query)]

    def ratings(
        self, *, after_time: datetime | None, before_time: datetime | None, limit: int
    ) -> Sequence[Rating]:
        """See `ReviewStore.ratings`."""
        query = pages.newest_verdicts(after_time=after_time, before_time=before_time, limit=limit)
        with self._database.reading() as connection:
            rows = connection.execute(query).mappings().all()
            names = SqlLabelSteps(connection).find({row["said"] for row in rows})
        newest: dict[tuple[str, str], sa.RowMapping] = {}
        for row in rows:
            newest.setdefault((row["sample_id"], row["reviewer"]), row)
        return [
            Rating(sample_id=sample_id, reviewer=reviewer, label=names.get(row["said"], row["said"]))
            for (sample_id, reviewer), row in newest.items()
            if Decision(row["decision"]).judges
        ]

    def _read(self, query: pages.Query) -> Sequence[sa.RowMapping]:
        with self._database.reading() as connection:
            return connection.execute(query).mappings().all()
