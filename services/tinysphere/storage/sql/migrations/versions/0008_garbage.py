"""Who names a blob, found by its digest; and audit records."""

import sqlalchemy as sa
from alembic import op

from tinysphere.storage.sql.metadata import UtcDateTime

revision = "0008_garbage"
down_revision = "0007_telemetry"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table and the indexes; the one by digest also answers what 0006 was made for."""
    op.create_table(
        "audit_records",
        sa.Column(
            "ordinal",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("audit_time", UtcDateTime(), nullable=False),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("ordinal", name=op.f("pk_audit_records")),
    )
    op.create_index(op.f("ix_audit_records_audit_time_ordinal"), "audit_records", ["audit_time", "ordinal"])
    op.create_index(op.f("ix_packages_sha256_device_id"), "packages", ["sha256", "device_id"])
    op.drop_index(op.f("ix_packages_device_id_sha256"), table_name="packages")
    op.create_index(op.f("ix_samples_image_sha256"), "samples", ["image_sha256"])


def downgrade() -> None:
    """Drop them."""
    op.drop_index(op.f("ix_samples_image_sha256"), table_name="samples")
    op.create_index(op.f("ix_packages_device_id_sha256"), "packages", ["device_id", "sha256"])
    op.drop_index(op.f("ix_packages_sha256_device_id"), table_name="packages")
    op.drop_table("audit_records")
