"""Runs migrations inside the transaction that `Database.migrate` opened."""

from alembic import context

from tinysphere.storage.sql.metadata import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    version_table="tinysphere_schema_version",  # MLflow, maybe in the same database, takes alembic_version
    render_as_batch=connection.dialect.name == "sqlite",
)
with context.begin_transaction():
    context.run_migrations()
