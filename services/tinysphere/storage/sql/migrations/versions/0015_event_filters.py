"""Indexes for the filters of drift events."""

from alembic import op

revision = "0015_event_filters"
down_revision = "0014_rollout_plans"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_drift_events_state_type_receive_time_drift_event_id": ["state", "type"],
    "ix_drift_events_state_severity_receive_time_drift_event_id": ["state", "severity"],
    "ix_drift_events_state_scope_receive_time_drift_event_id": ["state", "scope"],
    "ix_drift_events_facets": ["state", "type", "severity", "scope"],
}


def upgrade() -> None:
    """Create them."""
    for name, columns in INDEXES.items():
        op.create_index(name, "drift_events", [*columns, "receive_time", "drift_event_id"])


def downgrade() -> None:
    """Drop them."""
    for name in INDEXES:
        op.drop_index(name, table_name="drift_events")
