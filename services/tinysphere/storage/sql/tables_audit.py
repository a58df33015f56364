"""What operators did that cannot be undone, what was deleted by rule, and what reviewers did. Only appended to."""

import sqlalchemy as sa

from tinysphere.storage.sql.metadata import UtcDateTime, metadata

audit_records = sa.Table(
    "audit_records",
    metadata,
    sa.Column(
        "ordinal",
        sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    sa.Column("audit_time", UtcDateTime, nullable=False),
    sa.Column("actor", sa.String(128), nullable=False),
    sa.Column("action", sa.String(32), nullable=False),
    # Named so, and not after what it names: an audit record outlives that.
    sa.Column("subject", sa.String(128), nullable=False),
    sa.Column("detail", sa.JSON, nullable=False),
    # Null where no state changed; the drift service lists the others.
    sa.Column("from_value", sa.Text),
    sa.Column("to_value", sa.Text),
    sa.Column("reason", sa.Text, nullable=False, server_default=sa.text("''")),
    sa.Index(None, "audit_time", "ordinal"),
    sa.Index(None, "subject", "audit_time", "ordinal"),
)
