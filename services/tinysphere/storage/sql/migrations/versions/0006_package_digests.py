"""A device's packages by their digests."""

from alembic import op

revision = "0006_package_digests"
down_revision = "0005_adaptations"
branch_labels = None
depends_on = None

INDEX = "ix_packages_device_id_sha256"


def upgrade() -> None:
    """Create the index."""
    op.create_index(op.f(INDEX), "packages", ["device_id", "sha256"])


def downgrade() -> None:
    """Drop it."""
    op.drop_index(op.f(INDEX), table_name="packages")
