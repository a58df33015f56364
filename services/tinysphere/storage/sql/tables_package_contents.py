"""The table of packages small enough to be stored beside their row; larger ones are in the blob store."""

import sqlalchemy as sa

from tinysphere.storage.sql.metadata import metadata

package_contents = sa.Table(
    "package_contents",
    metadata,
    sa.Column("package_id", sa.ForeignKey("packages.package_id"), primary_key=True),
    sa.Column("content", sa.LargeBinary, nullable=False),
)
