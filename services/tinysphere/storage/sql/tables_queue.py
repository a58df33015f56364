"""Tables of the review queue, which the drift service alone writes.

An entry is there exactly while its sample is open and its event, if any, is not resolved (see `queue_entries`).
Each order and filter of the queue has an index that ends in the sample's id.
"""

import sqlalchemy as sa

from tinysphere.storage.sql.metadata import UtcDateTime, metadata

queue_entries = sa.Table(
    "queue_entries",
    metadata,
    sa.Column("sample_id", sa.ForeignKey("samples.sample_id"), primary_key=True),
    sa.Column("device_id", sa.String(64), nullable=False),
    sa.Column("drift_event_id", sa.String(36), nullable=False),
    sa.Column("value", sa.Double, nullable=False),
    sa.Column("capture_time", UtcDateTime, nullable=False),
    sa.Column("distance_score", sa.Double, nullable=False),
    sa.Index(None, "value", "sample_id"),
    sa.Index(None, "capture_time", "sample_id"),
    sa.Index(None, "distance_score", "sample_id"),
    sa.Index(None, "device_id", "value", "sample_id"),
    sa.Index(None, "device_id", "capture_time", "sample_id"),
    sa.Index(None, "device_id", "distance_score", "sample_id"),
    sa.Index(None, "drift_event_id", "value", "sample_id"),
    sa.Index(None, "drift_event_id", "capture_time", "sample_id"),
    sa.Index(None, "drift_event_id", "distance_score", "sample_id"),
)

# Entries of each device: counting a million of them would cost more than handing one out.
queue_sizes = sa.Table(
    "queue_sizes",
    metadata,
    sa.Column("device_id", sa.String(64), primary_key=True),
    sa.Column("entry_count", sa.Integer, nullable=False),
)

# Who changes a lease or a skip locks the entry first, so that no two wait for each other.
sample_leases = sa.Table(
    "sample_leases",
    metadata,
    sa.Column("sample_id", sa.ForeignKey("queue_entries.sample_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("reviewer", sa.String(128), nullable=False),
    sa.Column("expire_time", UtcDateTime, nullable=False),
    sa.Index(None, "reviewer", "expire_time"),
)

sample_skips = sa.Table(
    "sample_skips",
    metadata,
    sa.Column("sample_id", sa.ForeignKey("queue_entries.sample_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("reviewer", sa.String(128), primary_key=True),
    sa.Index(None, "reviewer", "sample_id"),
)
