"""Alembic's folder; `Database.migrate` runs it."""
