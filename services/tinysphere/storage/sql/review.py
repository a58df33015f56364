"""What is read of reviewing, over SQLite and PostgreSQL."""

from tinysphere.domain.review import ReviewSettings
from tinysphere.storage.sql.database import Database
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
