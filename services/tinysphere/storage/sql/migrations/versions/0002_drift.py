"""Drift events, samples, verdicts and feedback."""

import sqlalchemy as sa
from alembic import op

from tinysphere.storage.sql.metadata import UtcDateTime

revision = "0002_drift"
down_revision = "0001_ingestion"
branch_labels = ("drift",)
depends_on = None

ORDINAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "drift_event_progress",
        sa.Column("drift_event_id", sa.String(length=36), nullable=False),
        sa.Column("device_id", sa.String(length=64), nullable=False),
        sa.Column("sample_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("judged_sample_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("verdict_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("feedback_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("acknowledged_feedback_count", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("drift_event_id", name=op.f("pk_drift_event_progress")),
    )
    op.create_table(
        "drift_events",
        sa.Column("drift_event_id", sa.String(length=36), nullable=False),
        sa.Column("device_id", sa.String(length=64), nullable=False),
        sa.Column("model_name", sa.String(length=128), nullable=False),
        sa.Column("model_version", sa.BigInteger(), nullable=False),
        sa.Column("bundle_sha256", sa.String(length=64), nullable=False),
        sa.Column("feature_space", sa.String(length=64), nullable=False),
        sa.Column("detector", sa.String(length=128), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=True),
        sa.Column("cause", sa.String(length=32), nullable=True),
        sa.Column("statistic", sa.Double(), nullable=False),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column("shift_sigma", sa.Double(), nullable=False),
        sa.Column("start_time", UtcDateTime(), nullable=False),
        sa.Column("detect_time", UtcDateTime(), nullable=False),
        sa.Column("recovery_time", UtcDateTime(), nullable=True),
        sa.Column("start_index", sa.BigInteger(), nullable=False),
        sa.Column("detect_index", sa.BigInteger(), nullable=False),
        sa.Column("recovery_index", sa.BigInteger(), nullable=True),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("receive_time", UtcDateTime(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("resolution", sa.Text(), nullable=False),
        sa.Column("closed_by_hand", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("drift_event_id", name=op.f("pk_drift_events")),
    )
    op.create_index(
        op.f("ix_drift_events_detect_time_state_type_severity"),
        "drift_events",
        ["detect_time", "state", "type", "severity"],
    )
    op.create_index(
        op.f("ix_drift_events_device_id_detect_time_state_type_severity"),
        "drift_events",
        ["device_id", "detect_time", "state", "type", "severity"],
    )
    op.create_index(
        op.f("ix_drift_events_device_id_state_receive_time_drift_event_id"),
        "drift_events",
        ["device_id", "state", "receive_time", "drift_event_id"],
    )
    op.create_index(
        op.f("ix_drift_events_state_receive_time_drift_event_id"),
        "drift_events",
        ["state", "receive_time", "drift_event_id"],
    )
    op.create_table(
        "feature_spaces",
        sa.Column("feature_space", sa.String(length=64), nullable=False),
        sa.Column("dimension_count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("feature_space", name=op.f("pk_feature_spaces")),
    )
    op.create_table(
        "feedback_sequences",
        sa.Column("device_id", sa.String(length=64), nullable=False),
        sa.Column("last_sequence", sa.BigInteger(), nullable=False),
        sa.Column("announce_due_time", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_feedback_sequences")),
    )
    op.create_index(
        op.f("ix_feedback_sequences_announce_due_time_device_id"),
        "feedback_sequences",
        ["announce_due_time", "device_id"],
    )
    op.create_table(
        "drift_event_transitions",
        sa.Column("ordinal", ORDINAL, autoincrement=True, nullable=False),
        sa.Column("drift_event_id", sa.String(length=36), nullable=False),
        sa.Column("from_state", sa.String(length=16), nullable=False),
        sa.Column("to_state", sa.String(length=16), nullable=False),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("change_time", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["drift_event_id"],
            ["drift_events.drift_event_id"],
            name=op.f("fk_drift_event_transitions_drift_event_id_drift_events"),
        ),
        sa.PrimaryKeyConstraint("ordinal", name=op.f("pk_drift_event_transitions")),
    )
    op.create_index(
        op.f("ix_drift_event_transitions_drift_event_id_ordinal"),
        "drift_event_transitions",
        ["drift_event_id", "ordinal"],
    )
    op.create_table(
        "samples",
        sa.Column("sample_id", sa.String(length=36), nullable=False),
        sa.Column("device_id", sa.String(length=64), nullable=False),
        sa.Column("drift_event_id", sa.String(length=36), nullable=False),
        sa.Column("model_name", sa.String(length=128), nullable=False),
        sa.Column("model_version", sa.BigInteger(), nullable=False),
        sa.Column("bundle_sha256", sa.String(length=64), nullable=False),
        sa.Column("feature_space", sa.String(length=64), nullable=False),
        sa.Column("source_index", sa.BigInteger(), nullable=False),
        sa.Column("capture_time", UtcDateTime(), nullable=False),
        sa.Column("predicted_label", sa.String(length=64), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("distance_score", sa.Double(), nullable=False),
        sa.Column("embedding", sa.LargeBinary(), nullable=False),
        sa.Column("dimension_count", sa.Integer(), nullable=False),
        sa.Column("neighbours", sa.JSON(), nullable=False),
        sa.Column("image_format", sa.String(length=8), nullable=True),
        sa.Column("image_sha256", sa.String(length=64), nullable=True),
        sa.Column("image_size_bytes", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("judged_decision", sa.String(length=32), nullable=True),
        sa.Column("judged_label", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["feature_space"],
            ["feature_spaces.feature_space"],
            name=op.f("fk_samples_feature_space_feature_spaces"),
        ),
        sa.PrimaryKeyConstraint("sample_id", name=op.f("pk_samples")),
    )
    op.create_index(
        op.f("ix_samples_device_id_state_capture_time_sample_id"),
        "samples",
        ["device_id", "state", "capture_time", "sample_id"],
    )
    op.create_index(
        op.f("ix_samples_drift_event_id_state_capture_time_sample_id"),
        "samples",
        ["drift_event_id", "state", "capture_time", "sample_id"],
    )
    op.create_index(
        op.f("ix_samples_state_capture_time_sample_id"), "samples", ["state", "capture_time", "sample_id"]
    )
    op.create_table(
        "feedback_items",
        sa.Column("ordinal", ORDINAL, autoincrement=True, nullable=False),
        sa.Column("feedback_id", sa.String(length=36), nullable=False),
        sa.Column("device_id", sa.String(length=64), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("sample_id", sa.String(length=36), nullable=False),
        sa.Column("drift_event_id", sa.String(length=36), nullable=False),
        sa.Column("decision", sa.String(length=32), nullable=False),
        sa.Column("label", sa.String(length=64), nullable=False),
        sa.Column("create_time", UtcDateTime(), nullable=False),
        sa.Column("done", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("effect", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("acknowledge_time", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["sample_id"], ["samples.sample_id"], name=op.f("fk_feedback_items_sample_id_samples")
        ),
        sa.PrimaryKeyConstraint("ordinal", name=op.f("pk_feedback_items")),
        sa.UniqueConstraint("device_id", "sequence", name=op.f("uq_feedback_items_device_id_sequence")),
        sa.UniqueConstraint("feedback_id", name=op.f("uq_feedback_items_feedback_id")),
    )
    op.create_index(
        op.f("ix_feedback_items_device_id_done_sequence"), "feedback_items", ["device_id", "done", "sequence"]
    )
    op.create_index(op.f("ix_feedback_items_device_id_ordinal"), "feedback_items", ["device_id", "ordinal"])
    op.create_index(
        op.f("ix_feedback_items_drift_event_id_ordinal"), "feedback_items", ["drift_event_id", "ordinal"]
    )
    op.create_table(
        "verdicts",
        sa.Column("ordinal", ORDINAL, autoincrement=True, nullable=False),
        sa.Column("verdict_id", sa.String(length=36), nullable=False),
        sa.Column("sample_id", sa.String(length=36), nullable=False),
        sa.Column("drift_event_id", sa.String(length=36), nullable=False),
        sa.Column("reviewer", sa.String(length=128), nullable=False),
        sa.Column("decision", sa.String(length=32), nullable=False),
        sa.Column("label", sa.String(length=64), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("submit_time", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["sample_id"], ["samples.sample_id"], name=op.f("fk_verdicts_sample_id_samples")
        ),
        sa.PrimaryKeyConstraint("ordinal", name=op.f("pk_verdicts")),
        sa.UniqueConstraint("verdict_id", name=op.f("uq_verdicts_verdict_id")),
    )
    op.create_index(op.f("ix_verdicts_drift_event_id_ordinal"), "verdicts", ["drift_event_id", "ordinal"])
    op.create_index(op.f("ix_verdicts_sample_id_ordinal"), "verdicts", ["sample_id", "ordinal"])


def downgrade() -> None:
    """Drop them."""
    op.drop_index(op.f("ix_verdicts_sample_id_ordinal"), table_name="verdicts")
    op.drop_index(op.f("ix_verdicts_drift_event_id_ordinal"), table_name="verdicts")
    op.drop_table("verdicts")
    op.drop_index(op.f("ix_feedback_items_drift_event_id_ordinal"), table_name="feedback_items")
    op.drop_index(op.f("ix_feedback_items_device_id_ordinal"), table_name="feedback_items")
    op.drop_index(op.f("ix_feedback_items_device_id_done_sequence"), table_name="feedback_items")
    op.drop_table("feedback_items")
    op.drop_index(op.f("ix_samples_state_capture_time_sample_id"), table_name="samples")
    op.drop_index(op.f("ix_samples_drift_event_id_state_capture_time_sample_id"), table_name="samples")
    op.drop_index(op.f("ix_samples_device_id_state_capture_time_sample_id"), table_name="samples")
    op.drop_table("samples")
    op.drop_index(
        op.f("ix_drift_event_transitions_drift_event_id_ordinal"), table_name="drift_event_transitions"
    )
    op.drop_table("drift_event_transitions")
    op.drop_index(op.f("ix_feedback_sequences_announce_due_time_device_id"), table_name="feedback_sequences")
    op.drop_table("feedback_sequences")
    op.drop_table("feature_spaces")
    op.drop_index(op.f("ix_drift_events_state_receive_time_drift_event_id"), table_name="drift_events")
    op.drop_index(
        op.f("ix_drift_events_device_id_state_receive_time_drift_event_id"), table_name="drift_events"
    )
    op.drop_index(
        op.f("ix_drift_events_device_id_detect_time_state_type_severity"), table_name="drift_events"
    )
    op.drop_index(op.f("ix_drift_events_detect_time_state_type_severity"), table_name="drift_events")
    op.drop_table("drift_events")
    op.drop_table("drift_event_progress")
