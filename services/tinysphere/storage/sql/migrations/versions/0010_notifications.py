"""Rules of notifications, what they lead to, and what was seen."""

import sqlalchemy as sa
from alembic import op

from tinysphere.storage.sql.metadata import UtcDateTime

revision = "0010_notifications"
down_revision = "0009_package_contents"
branch_labels = None
depends_on = None

Ordinal = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TABLES = (
    "notification_channels",
    "notification_rules",
    "notices",
    "notification_repeats",
    "notification_deliveries",
    "notification_sightings",
    "notification_floors",
)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "notices",
        sa.Column("ordinal", Ordinal, autoincrement=True, nullable=False),
        sa.Column("topic", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("repeat_key", sa.String(length=512), nullable=False),
        sa.Column("device_id", sa.String(length=64), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=True),
        sa.Column("type", sa.String(length=32), nullable=True),
        sa.Column("notice_time", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("ordinal", name=op.f("pk_notices")),
    )
    op.create_table(
        "notification_deliveries",
        sa.Column("ordinal", Ordinal, autoincrement=True, nullable=False),
        sa.Column("rule_id", sa.String(length=36), nullable=False),
        sa.Column("channel_id", sa.String(length=36), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("topic", sa.String(length=32), nullable=True),
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("device_id", sa.String(length=64), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempt_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("create_time", UtcDateTime(), nullable=False),
        sa.Column("due_time", UtcDateTime(), nullable=False),
        sa.Column("end_time", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("ordinal", name=op.f("pk_notification_deliveries")),
    )
    op.create_index(op.f("ix_notification_deliveries_end_time"), "notification_deliveries", ["end_time"])
    op.create_index(
        op.f("ix_notification_deliveries_rule_id_ordinal"), "notification_deliveries", ["rule_id", "ordinal"]
    )
    op.create_index(
        op.f("ix_notification_deliveries_state_channel_id"),
        "notification_deliveries",
        ["state", "channel_id"],
    )
    op.create_index(
        op.f("ix_notification_deliveries_state_due_time_ordinal"),
        "notification_deliveries",
        ["state", "due_time", "ordinal"],
    )
    op.create_table(
        "notification_floors",
        sa.Column("topic", sa.String(length=32), nullable=False),
        sa.Column("floor", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("topic", name=op.f("pk_notification_floors")),
    )
    op.create_table(
        "notification_repeats",
        sa.Column("rule_id", sa.String(length=36), nullable=False),
        sa.Column("topic", sa.String(length=32), nullable=False),
        sa.Column("repeat_key", sa.String(length=512), nullable=False),
        sa.Column("device_id", sa.String(length=64), nullable=False),
        sa.Column("tell_time", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("rule_id", "topic", "repeat_key", name=op.f("pk_notification_repeats")),
    )
    op.create_index(op.f("ix_notification_repeats_tell_time"), "notification_repeats", ["tell_time"])
    op.create_table(
        "notification_rules",
        sa.Column("rule_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("topics", sa.JSON(), nullable=False),
        sa.Column("minimum_severity", sa.String(length=16), nullable=True),
        sa.Column("types", sa.JSON(), nullable=False),
        sa.Column("repeat_interval_us", sa.BigInteger(), nullable=False),
        sa.Column("quiet_start_minute", sa.Integer(), nullable=True),
        sa.Column("quiet_end_minute", sa.Integer(), nullable=True),
        sa.Column("quiet_time_zone", sa.String(length=64), nullable=True),
        sa.Column("reviewer", sa.String(length=128), nullable=False),
        sa.Column("update_time", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("rule_id", name=op.f("pk_notification_rules")),
    )
    op.create_table(
        "notification_sightings",
        sa.Column("topic", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("device_id", sa.String(length=64), nullable=False),
        sa.Column("moment", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("topic", "key", name=op.f("pk_notification_sightings")),
    )
    op.create_table(
        "notification_channels",
        sa.Column("channel_id", sa.String(length=36), nullable=False),
        sa.Column("rule_id", sa.String(length=36), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("shown", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["rule_id"],
            ["notification_rules.rule_id"],
            name=op.f("fk_notification_channels_rule_id_notification_rules"),
        ),
        sa.PrimaryKeyConstraint("channel_id", name=op.f("pk_notification_channels")),
    )
    op.create_index(
        op.f("ix_notification_channels_rule_id_position"), "notification_channels", ["rule_id", "position"]
    )


def downgrade() -> None:
    """Drop them."""
    for name in TABLES:
        op.drop_table(name)
