"""Word left for people by whatever transaction stores what happened."""

from collections.abc import Sequence

import sqlalchemy as sa

from tinysphere.domain.notifications import Notice
from tinysphere.storage.sql.notification_rows import notice_row
from tinysphere.storage.sql.tables_notifications import notices as table


class SqlNoticeSteps:
    """See `tinysphere.storage.ports.notifications.NoticeSteps`."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, notices: Sequence[Notice]) -> None:
        """See `NoticeSteps.add`."""
        if notices:
            self._connection.execute(sa.insert(table), [notice_row(notice) for notice in notices])
