"""Runs migrations inside the transaction that `Database.migrate` opened."""

from alembic import context

from tinysphere.storage.sql.metadata import metadata
from tinysphere.storage.sql.schema import VERSION_TABLE

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    render_as_batch=connection.dialect.name == "sqlite",
)
with context.begin_transaction():
    context.run_migrations()
