"""The queue of samples that wait for a verdict, and counted feedback."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from tinysphere.storage.sql.metadata import UtcDateTime

revision = "0013_review_queue"
down_revision = "0012_review"
branch_labels = None
depends_on = None

# All that waits now entered at one moment; what it teaches is weighed as `tinysphere.domain.queue` does.
ENTER = """
INSERT INTO queue_entries (sample_id, device_id, drift_event_id, value, capture_time, distance_score)
SELECT s.sample_id, s.device_id, s.drift_event_id,
    0.5 * (1.0 - s.confidence)
    + CASE e.severity WHEN 'LOW' THEN 0.0625 WHEN 'MEDIUM' THEN 0.125 WHEN 'HIGH' THEN 0.1875
        WHEN 'CRITICAL' THEN 0.25 ELSE 0.0 END
    - :weeks,
    s.capture_time, s.distance_score
FROM samples s LEFT JOIN drift_events e ON e.drift_event_id = s.drift_event_id
WHERE s.state = 'OPEN' AND coalesce(e.state, '') <> 'RESOLVED'
"""
COUNT_ENTRIES = """
INSERT INTO queue_sizes (device_id, entry_count)
SELECT device_id, count(*) FROM queue_entries GROUP BY device_id
"""
COUNT_FEEDBACK = """
INSERT INTO feedback_backlogs (device_id, waiting_count, deferred_count, applied_count, rejected_count,
    oldest_waiting_time, oldest_deferred, recent_outcomes, acknowledge_time, last_reason)
SELECT device_id,
    count(CASE WHEN NOT done THEN 1 END),
    count(CASE WHEN NOT done AND outcome = 'DEFERRED' THEN 1 END),
    count(CASE WHEN outcome = 'APPLIED' THEN 1 END),
    count(CASE WHEN outcome = 'REJECTED' THEN 1 END),
    min(CASE WHEN NOT done THEN create_time END),
    coalesce((SELECT oldest.outcome = 'DEFERRED' FROM feedback_items oldest
        WHERE oldest.device_id = feedback_items.device_id AND NOT oldest.done
        ORDER BY oldest.sequence LIMIT 1), false),
    '',
    max(acknowledge_time),
    coalesce((SELECT answered.reason FROM feedback_items answered
        WHERE answered.device_id = feedback_items.device_id AND answered.outcome IN ('DEFERRED', 'REJECTED')
        ORDER BY answered.acknowledge_time DESC LIMIT 1), '')
FROM feedback_items GROUP BY device_id
"""
RECENT_ITEMS = sa.text(
    "SELECT outcome FROM feedback_items WHERE device_id = :device_id AND outcome IN ('APPLIED', 'REJECTED')"
    " ORDER BY acknowledge_time DESC, ordinal DESC LIMIT 20"
)
SET_RECENT = sa.text(
    "UPDATE feedback_backlogs SET recent_outcomes = :recent, contact_time = acknowledge_time"
    " WHERE device_id = :device_id"
)


def upgrade() -> None:
    """Create the tables, and fill them from what is there."""
    _create_queue()
    _create_leases()
    _create_backlogs()
    connection = op.get_bind()
    weeks = (datetime.now(UTC) - datetime(2026, 1, 1, tzinfo=UTC)).total_seconds() / (7 * 86_400)
    connection.execute(sa.text(ENTER), {"weeks": weeks})
    connection.execute(sa.text(COUNT_ENTRIES))
    connection.execute(sa.text(COUNT_FEEDBACK))
    for device_id in connection.scalars(sa.text("SELECT device_id FROM feedback_backlogs")).all():
        outcomes = connection.scalars(RECENT_ITEMS, {"device_id": device_id}).all()
        recent = "".join(outcome[0] for outcome in reversed(outcomes))
        connection.execute(SET_RECENT, {"device_id": device_id, "recent": recent})


def downgrade() -> None:
    """Drop them."""
    for table in ("feedback_backlogs", "sample_skips", "sample_leases", "queue_sizes", "queue_entries"):
        op.drop_table(table)


def _create_queue() -> None:
    op.create_table(
        "queue_entries",
        sa.Column("sample_id", sa.String(length=36), nullable=False),
        sa.Column("device_id", sa.String(length=64), nullable=False),
        sa.Column("drift_event_id", sa.String(length=36), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("capture_time", UtcDateTime(), nullable=False),
        sa.Column("distance_score", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["sample_id"], ["samples.sample_id"], name=op.f("fk_queue_entries_sample_id_samples")
        ),
        sa.PrimaryKeyConstraint("sample_id", name=op.f("pk_queue_entries")),
    )
    for sort_column in ("value", "capture_time", "distance_score"):
        for filters in ([], ["device_id"], ["drift_event_id"]):
            columns = [*filters, sort_column, "sample_id"]
            op.create_index(op.f(f"ix_queue_entries_{'_'.join(columns)}"), "queue_entries", columns)
    op.create_table(
        "queue_sizes",
        sa.Column("device_id", sa.String(length=64), nullable=False),
        sa.Column("entry_count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_queue_sizes")),
    )


def _create_leases() -> None:
    op.create_table(
        "sample_leases",
        sa.Column("sample_id", sa.String(length=36), nullable=False),
        sa.Column("reviewer", sa.String(length=128), nullable=False),
        sa.Column("expire_time", UtcDateTime(), nullable=False),
        _of_entry("sample_leases"),
        sa.PrimaryKeyConstraint("sample_id", name=op.f("pk_sample_leases")),
    )
    op.create_index(
        op.f("ix_sample_leases_reviewer_expire_time"), "sample_leases", ["reviewer", "expire_time"]
    )
    op.create_table(
        "sample_skips",
        sa.Column("sample_id", sa.String(length=36), nullable=False),
        sa.Column("reviewer", sa.String(length=128), nullable=False),
        _of_entry("sample_skips"),
        sa.PrimaryKeyConstraint("sample_id", "reviewer", name=op.f("pk_sample_skips")),
    )
    op.create_index(op.f("ix_sample_skips_reviewer_sample_id"), "sample_skips", ["reviewer", "sample_id"])


def _of_entry(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_sample_id_queue_entries")
    return sa.ForeignKeyConstraint(["sample_id"], ["queue_entries.sample_id"], name=name, ondelete="CASCADE")


def _create_backlogs() -> None:
    op.create_table(
        "feedback_backlogs",
        sa.Column("device_id", sa.String(length=64), nullable=False),
        sa.Column("waiting_count", sa.BigInteger(), nullable=False),
        sa.Column("deferred_count", sa.BigInteger(), nullable=False),
        sa.Column("applied_count", sa.BigInteger(), nullable=False),
        sa.Column("rejected_count", sa.BigInteger(), nullable=False),
        sa.Column("oldest_waiting_time", UtcDateTime(), nullable=True),
        sa.Column("oldest_deferred", sa.Boolean(), nullable=False),
        sa.Column("recent_outcomes", sa.String(length=20), nullable=False),
        sa.Column("acknowledge_time", UtcDateTime(), nullable=True),
        sa.Column("last_reason", sa.Text(), nullable=False),
        sa.Column("contact_time", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_feedback_backlogs")),
    )
    op.create_index(
        op.f("ix_feedback_backlogs_oldest_waiting_time_device_id"),
        "feedback_backlogs",
        ["oldest_waiting_time", "device_id"],
    )
