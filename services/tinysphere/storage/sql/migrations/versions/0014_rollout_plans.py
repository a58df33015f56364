"""Waves, targets and decisions of rollouts; attempts of deployments."""

import sqlalchemy as sa
from alembic import op

from tinysphere.storage.sql.metadata import UtcDateTime

revision = "0014_rollout_plans"
down_revision = "0013_review_queue"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them."""
    # Column by column: a table that others refer to cannot be made anew on SQLite.
    for column in (
        sa.Column("target", sa.JSON(), server_default="{}", nullable=False),
        sa.Column("strategy", sa.JSON(), server_default="{}", nullable=False),
        sa.Column("wave_index", sa.Integer(), server_default="0", nullable=False),
        sa.Column("approved_wave_index", sa.Integer(), server_default="-1", nullable=False),
        sa.Column("progress", sa.JSON(), server_default="[]", nullable=False),
        sa.Column("status", sa.Text(), server_default="", nullable=False),
    ):
        op.add_column("rollouts", column)
    op.execute("ALTER TABLE rollouts RENAME COLUMN survey_time TO next_survey_time")
    for column in (
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("wave_index", sa.Integer(), server_default="0", nullable=False),
        sa.Column("offer_time", UtcDateTime(), nullable=True),
    ):
        op.add_column("deployments", column)
    op.create_index(op.f("ix_deployments_rollout_id_offer_time"), "deployments", ["rollout_id", "offer_time"])
    op.create_table(
        "rollout_decisions",
        sa.Column(
            "ordinal",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("rollout_id", sa.String(length=36), nullable=False),
        sa.Column("decide_time", UtcDateTime(), nullable=False),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("wave_index", sa.Integer(), nullable=False),
        sa.Column("progress", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["rollout_id"],
            ["rollouts.rollout_id"],
            name=op.f("fk_rollout_decisions_rollout_id_rollouts"),
        ),
        sa.PrimaryKeyConstraint("ordinal", name=op.f("pk_rollout_decisions")),
    )
    op.create_index(
        op.f("ix_rollout_decisions_rollout_id_ordinal"), "rollout_decisions", ["rollout_id", "ordinal"]
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("rollout_decisions")
    op.drop_index(op.f("ix_deployments_rollout_id_offer_time"), table_name="deployments")
    for name in ("offer_time", "wave_index", "attempt"):
        op.drop_column("deployments", name)
    op.execute("ALTER TABLE rollouts RENAME COLUMN next_survey_time TO survey_time")
    for name in ("status", "progress", "approved_wave_index", "wave_index", "strategy", "target"):
        op.drop_column("rollouts", name)
