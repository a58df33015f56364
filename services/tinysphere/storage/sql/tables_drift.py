"""Tables of the drift service, which is their only writer.

Every list has an index that ends in its sort key. Where a state may be filtered by, the state stands before the
sort key, and a list over all states merges one short run of each (see `drift_pages`).
"""

import sqlalchemy as sa

from tinysphere.storage.sql.metadata import UtcDateTime, metadata

# SQLite counts rows up only in a column declared INTEGER.
Ordinal = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

feature_spaces = sa.Table(
    "feature_spaces",
    metadata,
    sa.Column("feature_space", sa.String(64), primary_key=True),
    sa.Column("dimension_count", sa.Integer, nullable=False),
)

drift_events = sa.Table(
    "drift_events",
    metadata,
    sa.Column("drift_event_id", sa.String(36), primary_key=True),
    sa.Column("device_id", sa.String(64), nullable=False),
    sa.Column("model_name", sa.String(128), nullable=False),
    sa.Column("model_version", sa.BigInteger, nullable=False),
    sa.Column("bundle_sha256", sa.String(64), nullable=False),
    sa.Column("feature_space", sa.String(64), nullable=False),
    sa.Column("detector", sa.String(128), nullable=False),
    sa.Column("type", sa.String(32), nullable=False),
    sa.Column("severity", sa.String(16)),
    sa.Column("cause", sa.String(32)),
    sa.Column("statistic", sa.Double, nullable=False),
    sa.Column("threshold", sa.Double, nullable=False),
    sa.Column("shift_sigma", sa.Double, nullable=False),
    sa.Column("start_time", UtcDateTime, nullable=False),
    sa.Column("detect_time", UtcDateTime, nullable=False),
    sa.Column("recovery_time", UtcDateTime),
    sa.Column("start_index", sa.BigInteger, nullable=False),
    sa.Column("detect_index", sa.BigInteger, nullable=False),
    sa.Column("recovery_index", sa.BigInteger),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("receive_time", UtcDateTime, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("resolution", sa.Text, nullable=False),
    sa.Column("closed_by_hand", sa.Boolean, nullable=False),
    sa.Column("scope", sa.String(16)),
    sa.Column("scope_reason", sa.Text, nullable=False, server_default=sa.text("''")),
    sa.Column("scope_due_time", UtcDateTime),  # null: decided, until something new comes
    sa.Index(None, "state", "receive_time", "drift_event_id"),
    sa.Index(None, "device_id", "state", "receive_time", "drift_event_id"),
    # Filters of lists, see `event_pages`.
    sa.Index(None, "state", "type", "receive_time", "drift_event_id"),
    sa.Index(None, "state", "severity", "receive_time", "drift_event_id"),
    sa.Index(None, "state", "scope", "receive_time", "drift_event_id"),
    sa.Index(
        "ix_drift_events_facets", "state", "type", "severity", "scope", "receive_time", "drift_event_id"
    ),
    sa.Index(None, "detect_time", "state", "type", "severity"),
    sa.Index(None, "device_id", "detect_time", "state", "type", "severity"),
    sa.Index(None, "scope_due_time", "drift_event_id"),
    sa.Index(None, "bundle_sha256", "cause", "detect_time", "device_id"),
)

# Apart from drift_events and without a foreign key: samples may come before their event. The first row that names
# an event makes it the device's, and this row is what changes of one event wait for.
drift_event_progress = sa.Table(
    "drift_event_progress",
    metadata,
    sa.Column("drift_event_id", sa.String(36), primary_key=True),
    sa.Column("device_id", sa.String(64), nullable=False),
    sa.Column("sample_count", sa.Integer, nullable=False, server_default="0"),
    sa.Column("judged_sample_count", sa.Integer, nullable=False, server_default="0"),
    sa.Column("verdict_count", sa.Integer, nullable=False, server_default="0"),
    sa.Column("feedback_count", sa.Integer, nullable=False, server_default="0"),
    sa.Column("acknowledged_feedback_count", sa.Integer, nullable=False, server_default="0"),
)

drift_event_transitions = sa.Table(
    "drift_event_transitions",
    metadata,
    sa.Column("ordinal", Ordinal, primary_key=True, autoincrement=True),
    sa.Column("drift_event_id", sa.ForeignKey("drift_events.drift_event_id"), nullable=False),
    sa.Column("from_state", sa.String(16), nullable=False),
    sa.Column("to_state", sa.String(16), nullable=False),
    sa.Column("actor", sa.String(128), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("change_time", UtcDateTime, nullable=False),
    sa.Index(None, "drift_event_id", "ordinal"),
)

samples = sa.Table(
    "samples",
    metadata,
    sa.Column("sample_id", sa.String(36), primary_key=True),
    sa.Column("device_id", sa.String(64), nullable=False),
    sa.Column("drift_event_id", sa.String(36), nullable=False),
    sa.Column("model_name", sa.String(128), nullable=False),
    sa.Column("model_version", sa.BigInteger, nullable=False),
    sa.Column("bundle_sha256", sa.String(64), nullable=False),
    sa.Column("feature_space", sa.ForeignKey("feature_spaces.feature_space"), nullable=False),
    sa.Column("source_index", sa.BigInteger, nullable=False),
    sa.Column("capture_time", UtcDateTime, nullable=False),
    sa.Column("predicted_label", sa.String(64), nullable=False),
    sa.Column("confidence", sa.Double, nullable=False),
    sa.Column("distance_score", sa.Double, nullable=False),
    sa.Column("embedding", sa.LargeBinary, nullable=False),
    sa.Column("dimension_count", sa.Integer, nullable=False),
    sa.Column("neighbours", sa.JSON, nullable=False),
    sa.Column("image_format", sa.String(8)),
    sa.Column("image_sha256", sa.String(64)),
    sa.Column("image_size_bytes", sa.Integer),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("judged_decision", sa.String(32)),
    sa.Column("judged_label", sa.String(64)),
    sa.Column("group_id", sa.String(36)),  # null until it was grouped; see tables_sample_groups
    sa.Column("group_similarity", sa.Double),
    sa.Column("disagree_time", UtcDateTime),  # null while reviewers agree, or not all have spoken
    sa.Index(None, "state", "capture_time", "sample_id"),
    sa.Index(None, "device_id", "state", "capture_time", "sample_id"),
    sa.Index(None, "drift_event_id", "state", "capture_time", "sample_id"),
    sa.Index(None, "image_sha256"),
    sa.Index(None, "group_id", "state", "capture_time", "sample_id"),
    sa.Index(
        "ix_samples_ungrouped",
        "feature_space",
        "sample_id",
        sqlite_where=sa.text("group_id IS NULL"),
        postgresql_where=sa.text("group_id IS NULL"),
    ),
    sa.Index(
        None,
        "disagree_time",
        "sample_id",
        sqlite_where=sa.text("disagree_time IS NOT NULL"),
        postgresql_where=sa.text("disagree_time IS NOT NULL"),
    ),
    sa.Index(
        None,
        "judged_label",
        "sample_id",
        sqlite_where=sa.text("judged_label IS NOT NULL"),
        postgresql_where=sa.text("judged_label IS NOT NULL"),
    ),
)

verdicts = sa.Table(
    "verdicts",
    metadata,
    sa.Column("ordinal", Ordinal, primary_key=True, autoincrement=True),
    sa.Column("verdict_id", sa.String(36), nullable=False, unique=True),
    sa.Column("sample_id", sa.ForeignKey("samples.sample_id"), nullable=False),
    sa.Column("drift_event_id", sa.String(36), nullable=False),
    sa.Column("reviewer", sa.String(128), nullable=False),
    sa.Column("decision", sa.String(32), nullable=False),
    sa.Column("label", sa.String(64), nullable=False),
    sa.Column("confidence", sa.Double, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("submit_time", UtcDateTime, nullable=False),
    sa.Column("group_id", sa.String(36), nullable=False, server_default=sa.text("''")),
    sa.Index(None, "submit_time", "ordinal"),
    sa.Index(None, "sample_id", "ordinal"),
    sa.Index(None, "drift_event_id", "ordinal"),
)

feedback_items = sa.Table(
    "feedback_items",
    metadata,
    sa.Column("ordinal", Ordinal, primary_key=True, autoincrement=True),
    sa.Column("feedback_id", sa.String(36), nullable=False, unique=True),
    sa.Column("device_id", sa.String(64), nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("sample_id", sa.ForeignKey("samples.sample_id"), nullable=False),
    sa.Column("drift_event_id", sa.String(36), nullable=False),
    sa.Column("decision", sa.String(32), nullable=False),
    sa.Column("label", sa.String(64), nullable=False),
    sa.Column("create_time", UtcDateTime, nullable=False),
    sa.Column("done", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("outcome", sa.String(16)),
    sa.Column("reason", sa.Text),
    sa.Column("effect", sa.JSON(none_as_null=True)),
    sa.Column("acknowledge_time", UtcDateTime),
    sa.UniqueConstraint("device_id", "sequence"),
    sa.Index(None, "device_id", "done", "sequence"),
    sa.Index(None, "device_id", "ordinal"),
    sa.Index(None, "drift_event_id", "ordinal"),
)

adaptations = sa.Table(
    "adaptations",
    metadata,
    sa.Column("adaptation_id", sa.String(36), primary_key=True),
    sa.Column("device_id", sa.String(64), nullable=False),
    sa.Column("model_name", sa.String(128), nullable=False),
    sa.Column("model_version", sa.BigInteger, nullable=False),
    sa.Column("bundle_sha256", sa.String(64), nullable=False),
    sa.Column("feature_space", sa.String(64), nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("drift_event_id", sa.String(36), nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("effect", sa.JSON(none_as_null=True)),
    sa.Column("sample_ids", sa.JSON, nullable=False),
    sa.Column("decide_time", UtcDateTime, nullable=False),
    sa.Column("receive_time", UtcDateTime, nullable=False),
    sa.Index(None, "receive_time", "adaptation_id"),
    sa.Index(None, "device_id", "receive_time", "adaptation_id"),
    sa.Index(None, "drift_event_id", "receive_time", "adaptation_id"),
)

# One row a device: the last sequence given out, and when the registry has to hear of it (null: it has).
feedback_sequences = sa.Table(
    "feedback_sequences",
    metadata,
    sa.Column("device_id", sa.String(64), primary_key=True),
    sa.Column("last_sequence", sa.BigInteger, nullable=False),
    sa.Column("announce_due_time", UtcDateTime),
    sa.Index(None, "announce_due_time", "device_id"),
)
