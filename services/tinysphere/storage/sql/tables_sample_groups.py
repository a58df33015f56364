"""Tables of look-alike groups, written by the drift process only. A sample's group stands in `samples.group_id`."""

import sqlalchemy as sa

from tinysphere.storage.sql.metadata import UtcDateTime, metadata

# One row a feature space: what its vectors are compared by. Groupers take turns at this row.
sample_group_spaces = sa.Table(
    "sample_group_spaces",
    metadata,
    sa.Column("feature_space", sa.ForeignKey("feature_spaces.feature_space"), primary_key=True),
    sa.Column("sample_count", sa.BigInteger, nullable=False),
    sa.Column("embedding_sum", sa.LargeBinary, nullable=False),  # float64, little-endian
    sa.Column("labels", sa.JSON, nullable=False),  # of neighbours, in the order they were first seen
)

sample_groups = sa.Table(
    "sample_groups",
    metadata,
    sa.Column("group_id", sa.String(36), primary_key=True),
    sa.Column("feature_space", sa.ForeignKey("feature_spaces.feature_space"), nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("sample_count", sa.Integer, nullable=False),
    sa.Column("open_sample_count", sa.Integer, nullable=False),
    sa.Column("device_count", sa.Integer, nullable=False),
    sa.Column("device_ids", sa.JSON, nullable=False),
    sa.Column("squared_gap_sum", sa.Double, nullable=False),  # of 1 - similarity
    sa.Column("embedding_sum", sa.LargeBinary, nullable=False),  # float32, little-endian
    sa.Column("neighbour_labels", sa.JSON, nullable=False),  # label: sum of shares
    sa.Column("predicted_labels", sa.JSON, nullable=False),  # label: samples
    sa.Column("judged_labels", sa.JSON, nullable=False),  # label: samples
    sa.Column("representative_sample_ids", sa.JSON, nullable=False),
    sa.Column("create_time", UtcDateTime, nullable=False),
    sa.Column("update_time", UtcDateTime, nullable=False),
    # Samples that its feature space had when the newest one joined: the groups that still grow are those of late.
    sa.Column("join_ordinal", sa.BigInteger, nullable=False),
    sa.Index(None, "open_sample_count", "group_id"),
    sa.Index(None, "feature_space", "open_sample_count", "group_id"),
    sa.Index(None, "feature_space", "join_ordinal", "group_id"),
)

# How many samples of a group each device sent.
sample_group_devices = sa.Table(
    "sample_group_devices",
    metadata,
    sa.Column("group_id", sa.ForeignKey("sample_groups.group_id"), primary_key=True),
    sa.Column("device_id", sa.String(64), primary_key=True),
    sa.Column("sample_count", sa.Integer, nullable=False),
    sa.Index(None, "group_id", "sample_count", "device_id"),
)

# How an event's samples spread over groups: what is left to judge of it, and which events look alike.
sample_group_events = sa.Table(
    "sample_group_events",
    metadata,
    sa.Column("drift_event_id", sa.String(36), primary_key=True),
    sa.Column("group_id", sa.ForeignKey("sample_groups.group_id"), primary_key=True),
    sa.Column("sample_count", sa.Integer, nullable=False),
    sa.Column("open_sample_count", sa.Integer, nullable=False),
)

# Verdicts on whole groups, so that a repeated one is answered and not given twice.
sample_group_verdicts = sa.Table(
    "sample_group_verdicts",
    metadata,
    sa.Column("verdict_id", sa.String(36), primary_key=True),
    sa.Column("group_id", sa.ForeignKey("sample_groups.group_id"), nullable=False),
    sa.Column("reviewer", sa.String(128), nullable=False),
    sa.Column("decision", sa.String(32), nullable=False),
    sa.Column("label", sa.String(64), nullable=False),
    sa.Column("confidence", sa.Double, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("submit_time", UtcDateTime, nullable=False),
    sa.Column("verdict_count", sa.Integer, nullable=False),
    sa.Column("judged_sample_count", sa.Integer, nullable=False),
    sa.Column("device_count", sa.Integer, nullable=False),
)
