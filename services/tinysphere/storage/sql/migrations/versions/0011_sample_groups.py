"""Groups of look-alikes, and how far a drift reaches."""

import sqlalchemy as sa
from alembic import op

from tinysphere.storage.sql.metadata import UtcDateTime

revision = "0011_sample_groups"
down_revision = "0010_notifications"
branch_labels = None
depends_on = None

EVENT_INDEXES = (
    ("scope_due_time", "drift_event_id"),
    ("bundle_sha256", "cause", "detect_time", "device_id"),
)
GROUP_INDEXES = (
    ("open_sample_count", "group_id"),
    ("feature_space", "open_sample_count", "group_id"),
    ("feature_space", "join_ordinal", "group_id"),
)
TABLES = (
    "sample_group_verdicts",
    "sample_group_events",
    "sample_group_devices",
    "sample_groups",
    "sample_group_spaces",
)


def upgrade() -> None:
    """Create the tables; samples and events that are there wait to be looked at."""
    op.add_column("samples", sa.Column("group_id", sa.String(length=36), nullable=True))
    op.add_column("samples", sa.Column("group_similarity", sa.Double(), nullable=True))
    _create_index("samples", ("group_id", "state", "capture_time", "sample_id"))
    op.create_index(
        "ix_samples_ungrouped",
        "samples",
        ["feature_space", "sample_id"],
        sqlite_where=sa.text("group_id IS NULL"),
        postgresql_where=sa.text("group_id IS NULL"),
    )
    op.add_column("drift_events", sa.Column("scope", sa.String(length=16), nullable=True))
    op.add_column(
        "drift_events", sa.Column("scope_reason", sa.Text(), server_default=sa.text("''"), nullable=False)
    )
    op.add_column("drift_events", sa.Column("scope_due_time", UtcDateTime(), nullable=True))
    op.execute("UPDATE drift_events SET scope_due_time = receive_time")
    for columns in EVENT_INDEXES:
        _create_index("drift_events", columns)
    _create_spaces()
    _create_groups()
    _create_devices()
    _create_events()
    _create_verdicts()


def downgrade() -> None:
    """Drop them."""
    for table in TABLES:
        op.drop_table(table)
    for columns in EVENT_INDEXES:
        op.drop_index(op.f(f"ix_drift_events_{'_'.join(columns)}"), table_name="drift_events")
    for column in ("scope_due_time", "scope_reason", "scope"):
        op.drop_column("drift_events", column)
    op.drop_index("ix_samples_ungrouped", table_name="samples")
    op.drop_index(op.f("ix_samples_group_id_state_capture_time_sample_id"), table_name="samples")
    op.drop_column("samples", "group_similarity")
    op.drop_column("samples", "group_id")


def _create_spaces() -> None:
    op.create_table(
        "sample_group_spaces",
        sa.Column("feature_space", sa.String(length=64), nullable=False),
        sa.Column("sample_count", sa.BigInteger(), nullable=False),
        sa.Column("embedding_sum", sa.LargeBinary(), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        _space("sample_group_spaces"),
        sa.PrimaryKeyConstraint("feature_space", name=op.f("pk_sample_group_spaces")),
    )


def _create_groups() -> None:
    op.create_table(
        "sample_groups",
        sa.Column("group_id", sa.String(length=36), nullable=False),
        sa.Column("feature_space", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("sample_count", sa.Integer(), nullable=False),
        sa.Column("open_sample_count", sa.Integer(), nullable=False),
        sa.Column("device_count", sa.Integer(), nullable=False),
        sa.Column("device_ids", sa.JSON(), nullable=False),
        sa.Column("squared_gap_sum", sa.Double(), nullable=False),
        sa.Column("embedding_sum", sa.LargeBinary(), nullable=False),
        sa.Column("neighbour_labels", sa.JSON(), nullable=False),
        sa.Column("predicted_labels", sa.JSON(), nullable=False),
        sa.Column("judged_labels", sa.JSON(), nullable=False),
        sa.Column("representative_sample_ids", sa.JSON(), nullable=False),
        sa.Column("create_time", UtcDateTime(), nullable=False),
        sa.Column("update_time", UtcDateTime(), nullable=False),
        sa.Column("join_ordinal", sa.BigInteger(), nullable=False),
        _space("sample_groups"),
        sa.PrimaryKeyConstraint("group_id", name=op.f("pk_sample_groups")),
    )
    for columns in GROUP_INDEXES:
        _create_index("sample_groups", columns)


def _create_devices() -> None:
    op.create_table(
        "sample_group_devices",
        sa.Column("group_id", sa.String(length=36), nullable=False),
        sa.Column("device_id", sa.String(length=64), nullable=False),
        sa.Column("sample_count", sa.Integer(), nullable=False),
        _group("sample_group_devices"),
        sa.PrimaryKeyConstraint("group_id", "device_id", name=op.f("pk_sample_group_devices")),
    )
    _create_index("sample_group_devices", ("group_id", "sample_count", "device_id"))


def _create_events() -> None:
    op.create_table(
        "sample_group_events",
        sa.Column("drift_event_id", sa.String(length=36), nullable=False),
        sa.Column("group_id", sa.String(length=36), nullable=False),
        sa.Column("sample_count", sa.Integer(), nullable=False),
        sa.Column("open_sample_count", sa.Integer(), nullable=False),
        _group("sample_group_events"),
        sa.PrimaryKeyConstraint("drift_event_id", "group_id", name=op.f("pk_sample_group_events")),
    )


def _create_verdicts() -> None:
    op.create_table(
        "sample_group_verdicts",
        sa.Column("verdict_id", sa.String(length=36), nullable=False),
        sa.Column("group_id", sa.String(length=36), nullable=False),
        sa.Column("reviewer", sa.String(length=128), nullable=False),
        sa.Column("decision", sa.String(length=32), nullable=False),
        sa.Column("label", sa.String(length=64), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("submit_time", UtcDateTime(), nullable=False),
        sa.Column("verdict_count", sa.Integer(), nullable=False),
        sa.Column("judged_sample_count", sa.Integer(), nullable=False),
        sa.Column("device_count", sa.Integer(), nullable=False),
        _group("sample_group_verdicts"),
        sa.PrimaryKeyConstraint("verdict_id", name=op.f("pk_sample_group_verdicts")),
    )


def _space(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["feature_space"],
        ["feature_spaces.feature_space"],
        name=op.f(f"fk_{table}_feature_space_feature_spaces"),
    )


def _group(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["group_id"], ["sample_groups.group_id"], name=op.f(f"fk_{table}_group_id_sample_groups")
    )


def _create_index(table: str, columns: tuple[str, ...]) -> None:
    op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, list(columns))
