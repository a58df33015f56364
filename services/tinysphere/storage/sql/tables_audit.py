"""What operators did that cannot be undone, and what was deleted by rule. Only ever appended to."""

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
    sa.Index(None, "audit_time", "ordinal"),
)
