"""Stores over SQLite and PostgreSQL, by SQLAlchemy Core."""
