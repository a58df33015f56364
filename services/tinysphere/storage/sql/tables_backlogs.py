"""What became of each device's feedback, counted as it happens. Written by the drift service alone."""

import sqlalchemy as sa

from tinysphere.storage.sql.metadata import UtcDateTime, metadata

feedback_backlogs = sa.Table(
    "feedback_backlogs",
    metadata,
    sa.Column("device_id", sa.String(64), primary_key=True),
    sa.Column("waiting_count", sa.BigInteger, nullable=False),
    sa.Column("deferred_count", sa.BigInteger, nullable=False),
    sa.Column("applied_count", sa.BigInteger, nullable=False),
    sa.Column("rejected_count", sa.BigInteger, nullable=False),
    sa.Column("oldest_waiting_time", UtcDateTime),  # null: nothing waits
    sa.Column("oldest_deferred", sa.Boolean, nullable=False),
    sa.Column(
        "recent_outcomes", sa.String(20), nullable=False
    ),  # of the items done last: A applied, R rejected
    sa.Column("acknowledge_time", UtcDateTime),
    sa.Column("last_reason", sa.Text, nullable=False),
    sa.Column("contact_time", UtcDateTime),
    sa.Index(None, "oldest_waiting_time", "device_id"),
)
