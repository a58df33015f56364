"""Tables of reviewing, which the drift service writes: its settings and the catalogue of labels."""

import sqlalchemy as sa

from tinysphere.storage.sql.metadata import UtcDateTime, metadata

# One row. Verdicts hold a share of it while they are taken; who changes the settings or the catalogue holds it alone.
review_settings = sa.Table(
    "review_settings",
    metadata,
    sa.Column("settings_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("policy", sa.String(16), nullable=False),
    sa.Column("required_count", sa.Integer, nullable=False),
    sa.Column("reviewer_count", sa.Integer, nullable=False),
    sa.Column("adjudicators", sa.JSON, nullable=False),
    sa.Column("blind", sa.Boolean, nullable=False),
    sa.Column("lease_duration_s", sa.Double, nullable=False),
    sa.Column("queue_order", sa.String(16), nullable=False),
    sa.Column("reviewer", sa.String(128), nullable=False),
    sa.Column("update_time", UtcDateTime),
)

# `label_key` is the name as names are compared (see `tinysphere.domain.labels`).
labels = sa.Table(
    "labels",
    metadata,
    sa.Column("label_key", sa.Text, primary_key=True),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("sample_count", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("creator", sa.String(128), nullable=False),
    sa.Column("create_time", UtcDateTime, nullable=False),
)

label_aliases = sa.Table(
    "label_aliases",
    metadata,
    sa.Column("alias_key", sa.Text, primary_key=True),
    sa.Column("alias", sa.String(64), nullable=False),
    sa.Column("label_key", sa.ForeignKey("labels.label_key"), nullable=False),
    sa.Index(None, "label_key", "alias_key"),
)
