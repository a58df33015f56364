"""What devices registered last, beside what people made of it."""

import sqlalchemy as sa
from alembic import op

revision = "0004_device_edits"
down_revision = "0003_distribution"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; until a device registers again, nothing is known of what it registered."""
    op.add_column("devices", sa.Column("registered_name", sa.String(length=128), nullable=True))
    op.add_column("devices", sa.Column("registered_labels", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    """Drop them."""
    op.drop_column("devices", "registered_labels")
    op.drop_column("devices", "registered_name")
