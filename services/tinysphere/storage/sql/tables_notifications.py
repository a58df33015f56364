"""Tables of notifications. The drift process is their only writer.

What is about a device carries its id, so that it goes when the device's data is deleted.
"""

import sqlalchemy as sa

from tinysphere.storage.sql.metadata import UtcDateTime, metadata
from tinysphere.storage.sql.tables_drift import Ordinal

notification_rules = sa.Table(
    "notification_rules",
    metadata,
    sa.Column("rule_id", sa.String(36), primary_key=True),
    sa.Column("name", sa.String(128), nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("topics", sa.JSON, nullable=False),
    sa.Column("minimum_severity", sa.String(16)),
    sa.Column("types", sa.JSON, nullable=False),
    sa.Column("repeat_interval_us", sa.BigInteger, nullable=False),
    sa.Column("quiet_start_minute", sa.Integer),
    sa.Column("quiet_end_minute", sa.Integer),
    sa.Column("quiet_time_zone", sa.String(64)),
    sa.Column("reviewer", sa.String(128), nullable=False),
    sa.Column("update_time", UtcDateTime, nullable=False),
)

# The one place where the secrets of channels are.
notification_channels = sa.Table(
    "notification_channels",
    metadata,
    sa.Column("channel_id", sa.String(36), primary_key=True),
    sa.Column("rule_id", sa.ForeignKey("notification_rules.rule_id"), nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("shown", sa.Text, nullable=False),
    sa.Index(None, "rule_id", "position"),
)

# Written beside what happened, in the same transaction; deleted by the transaction that turns it into deliveries.
notices = sa.Table(
    "notices",
    metadata,
    sa.Column("ordinal", Ordinal, primary_key=True, autoincrement=True),
    sa.Column("topic", sa.String(32), nullable=False),
    sa.Column("subject", sa.String(128), nullable=False),
    sa.Column("repeat_key", sa.String(512), nullable=False),
    sa.Column("device_id", sa.String(64), nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("severity", sa.String(16)),
    sa.Column("type", sa.String(32)),
    sa.Column("notice_time", UtcDateTime, nullable=False),
)

# When a rule last told of the same thing.
notification_repeats = sa.Table(
    "notification_repeats",
    metadata,
    sa.Column("rule_id", sa.String(36), primary_key=True),
    sa.Column("topic", sa.String(32), primary_key=True),
    sa.Column("repeat_key", sa.String(512), primary_key=True),
    sa.Column("device_id", sa.String(64), nullable=False),
    sa.Column("tell_time", UtcDateTime, nullable=False),
    sa.Index(None, "tell_time"),
)

# No foreign keys: the log outlives rules and channels.
notification_deliveries = sa.Table(
    "notification_deliveries",
    metadata,
    sa.Column("ordinal", Ordinal, primary_key=True, autoincrement=True),
    sa.Column("rule_id", sa.String(36), nullable=False),
    sa.Column("channel_id", sa.String(36), nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("topic", sa.String(32)),
    sa.Column("subject", sa.String(128), nullable=False),
    sa.Column("device_id", sa.String(64), nullable=False),
    sa.Column("severity", sa.String(16)),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("attempt_count", sa.Integer, nullable=False, server_default="0"),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("create_time", UtcDateTime, nullable=False),
    sa.Column("due_time", UtcDateTime, nullable=False),
    sa.Column("end_time", UtcDateTime),
    sa.Index(None, "state", "due_time", "ordinal"),
    sa.Index(None, "state", "channel_id"),
    sa.Index(None, "rule_id", "ordinal"),
    sa.Index(None, "end_time"),
)

# What was seen at other services and told already.
notification_sightings = sa.Table(
    "notification_sightings",
    metadata,
    sa.Column("topic", sa.String(32), primary_key=True),
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("device_id", sa.String(64), nullable=False),
    sa.Column("moment", UtcDateTime, nullable=False),
)

notification_floors = sa.Table(
    "notification_floors",
    metadata,
    sa.Column("topic", sa.String(32), primary_key=True),
    sa.Column("floor", UtcDateTime, nullable=False),
)
