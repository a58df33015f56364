"""Tables of the distribution service, which is their only writer."""

import sqlalchemy as sa

from tinysphere.storage.sql.metadata import UtcDateTime, metadata

# Names compare byte by byte, as on SQLite, whatever the database's language is.
_Name = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")

# "published_", since MLflow's own model_versions may be kept in the same database.
model_versions = sa.Table(
    "published_model_versions",
    metadata,
    sa.Column("model_name", _Name, primary_key=True),
    sa.Column("bundle_sha256", sa.String(64), primary_key=True),
    # Given by the registry once the bundle is stored; null while that is under way.
    sa.Column("version", sa.BigInteger),
    sa.Column("feature_space", sa.String(64), nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("release_counter", sa.BigInteger, nullable=False),
    sa.Column("signing_key_id", sa.String(16), nullable=False),
    sa.Column("class_names", sa.JSON, nullable=False),
    sa.Column("metrics", sa.JSON, nullable=False),
    sa.Column("publish_time", UtcDateTime, nullable=False),
    sa.UniqueConstraint("model_name", "version"),
    sa.Index(None, "bundle_sha256"),
)

rollouts = sa.Table(
    "rollouts",
    metadata,
    sa.Column("rollout_id", sa.String(36), primary_key=True),
    sa.Column("model_name", _Name, nullable=False),
    sa.Column("model_version", sa.BigInteger, nullable=False),
    sa.Column("bundle_sha256", sa.String(64), nullable=False),
    sa.Column("feature_space", sa.String(64), nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("target_labels", sa.JSON, nullable=False),
    sa.Column("operator", sa.String(128), nullable=False),
    sa.Column("create_time", UtcDateTime, nullable=False),
    sa.Column("create_revision", sa.BigInteger, nullable=False, unique=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("start_revision", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("target", sa.JSON, nullable=False, server_default="{}"),
    sa.Column("strategy", sa.JSON, nullable=False, server_default="{}"),
    sa.Column("wave_index", sa.Integer, nullable=False, server_default="0"),
    sa.Column("approved_wave_index", sa.Integer, nullable=False, server_default="-1"),
    sa.Column("progress", sa.JSON, nullable=False, server_default="[]"),
    sa.Column("status", sa.Text, nullable=False, server_default=""),
    # The newest survey: the revision it knew, the targets it counted, and when the next one is due (null: never).
    sa.Column("surveyed_revision", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("next_survey_time", UtcDateTime),
    sa.Column("target_count", sa.BigInteger),
    sa.Column("promoted", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Index(None, "state", "promoted"),
    sa.Index(None, "bundle_sha256", "state"),
)

# No foreign key to a device: those belong to the ingestion service.
deployments = sa.Table(
    "deployments",
    metadata,
    sa.Column("rollout_id", sa.ForeignKey("rollouts.rollout_id"), primary_key=True),
    sa.Column("device_id", _Name, primary_key=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("running_bundle_sha256", sa.String(64), nullable=False, server_default=""),
    sa.Column("report_time", UtcDateTime, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
    sa.Column("wave_index", sa.Integer, nullable=False, server_default="0"),
    sa.Column("offer_time", UtcDateTime),
    sa.Index(None, "rollout_id", "state"),
    sa.Index(None, "rollout_id", "offer_time"),
    sa.Index(None, "device_id", "state"),
)

rollout_decisions = sa.Table(
    "rollout_decisions",
    metadata,
    sa.Column(
        "ordinal",
        sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    sa.Column("rollout_id", sa.ForeignKey("rollouts.rollout_id"), nullable=False),
    sa.Column("decide_time", UtcDateTime, nullable=False),
    sa.Column("actor", sa.String(128), nullable=False),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("wave_index", sa.Integer, nullable=False),
    sa.Column("progress", sa.JSON(none_as_null=True)),
    sa.Index(None, "rollout_id", "ordinal"),
)

# One row. Whoever counts a change holds it until the transaction ends, so revisions become visible in order.
rollout_revision = sa.Table(
    "rollout_revision",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("value", sa.BigInteger, nullable=False),
)
