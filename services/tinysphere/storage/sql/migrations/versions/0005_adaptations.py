"""The lineage of adaptations."""

import sqlalchemy as sa
from alembic import op

from tinysphere.storage.sql.metadata import UtcDateTime

revision = "0005_adaptations"
down_revision = "0004_device_edits"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "adaptations",
        sa.Column("adaptation_id", sa.String(length=36), nullable=False),
        sa.Column("device_id", sa.String(length=64), nullable=False),
        sa.Column("model_name", sa.String(length=128), nullable=False),
        sa.Column("model_version", sa.BigInteger(), nullable=False),
        sa.Column("bundle_sha256", sa.String(length=64), nullable=False),
        sa.Column("feature_space", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("drift_event_id", sa.String(length=36), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("effect", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("sample_ids", sa.JSON(), nullable=False),
        sa.Column("decide_time", UtcDateTime(), nullable=False),
        sa.Column("receive_time", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("adaptation_id", name=op.f("pk_adaptations")),
    )
    op.create_index(
        op.f("ix_adaptations_receive_time_adaptation_id"), "adaptations", ["receive_time", "adaptation_id"]
    )
    op.create_index(
        op.f("ix_adaptations_device_id_receive_time_adaptation_id"),
        "adaptations",
        ["device_id", "receive_time", "adaptation_id"],
    )
    op.create_index(
        op.f("ix_adaptations_drift_event_id_receive_time_adaptation_id"),
        "adaptations",
        ["drift_event_id", "receive_time", "adaptation_id"],
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("adaptations")
