"""Model versions, rollouts and deployments."""

import sqlalchemy as sa
from alembic import op

from tinysphere.storage.sql.metadata import UtcDateTime

revision = "0003_distribution"
down_revision = "0002_drift"
branch_labels = ("distribution",)
depends_on = None

NAME = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "published_model_versions",
        sa.Column("model_name", NAME, nullable=False),
        sa.Column("bundle_sha256", sa.String(length=64), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=True),
        sa.Column("feature_space", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("release_counter", sa.BigInteger(), nullable=False),
        sa.Column("signing_key_id", sa.String(length=16), nullable=False),
        sa.Column("class_names", sa.JSON(), nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.Column("publish_time", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("model_name", "bundle_sha256", name=op.f("pk_published_model_versions")),
        sa.UniqueConstraint(
            "model_name", "version", name=op.f("uq_published_model_versions_model_name_version")
        ),
    )
    op.create_index(
        op.f("ix_published_model_versions_bundle_sha256"), "published_model_versions", ["bundle_sha256"]
    )
    op.create_table(
        "rollout_revision",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rollout_revision")),
    )
    op.create_table(
        "rollouts",
        sa.Column("rollout_id", sa.String(length=36), nullable=False),
        sa.Column("model_name", NAME, nullable=False),
        sa.Column("model_version", sa.BigInteger(), nullable=False),
        sa.Column("bundle_sha256", sa.String(length=64), nullable=False),
        sa.Column("feature_space", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("target_labels", sa.JSON(), nullable=False),
        sa.Column("operator", sa.String(length=128), nullable=False),
        sa.Column("create_time", UtcDateTime(), nullable=False),
        sa.Column("create_revision", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("start_revision", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("surveyed_revision", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("survey_time", UtcDateTime(), nullable=True),
        sa.Column("target_count", sa.BigInteger(), nullable=True),
        sa.Column("promoted", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("rollout_id", name=op.f("pk_rollouts")),
        sa.UniqueConstraint("create_revision", name=op.f("uq_rollouts_create_revision")),
    )
    op.create_index(op.f("ix_rollouts_bundle_sha256_state"), "rollouts", ["bundle_sha256", "state"])
    op.create_index(op.f("ix_rollouts_state_promoted"), "rollouts", ["state", "promoted"])
    op.create_table(
        "deployments",
        sa.Column("rollout_id", sa.String(length=36), nullable=False),
        sa.Column("device_id", NAME, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("running_bundle_sha256", sa.String(length=64), server_default="", nullable=False),
        sa.Column("report_time", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["rollout_id"], ["rollouts.rollout_id"], name=op.f("fk_deployments_rollout_id_rollouts")
        ),
        sa.PrimaryKeyConstraint("rollout_id", "device_id", name=op.f("pk_deployments")),
    )
    op.create_index(op.f("ix_deployments_device_id_state"), "deployments", ["device_id", "state"])
    op.create_index(op.f("ix_deployments_rollout_id_state"), "deployments", ["rollout_id", "state"])


def downgrade() -> None:
    """Drop them."""
    op.drop_table("deployments")
    op.drop_table("rollouts")
    op.drop_table("rollout_revision")
    op.drop_table("published_model_versions")
