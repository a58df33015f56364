"""Bytes of small packages, beside their row."""

import sqlalchemy as sa
from alembic import op

revision = "0009_package_contents"
down_revision = "0008_garbage"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "package_contents",
        sa.Column("package_id", sa.String(length=36), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["package_id"], ["packages.package_id"], name=op.f("fk_package_contents_package_id_packages")
        ),
        sa.PrimaryKeyConstraint("package_id", name=op.f("pk_package_contents")),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("package_contents")
