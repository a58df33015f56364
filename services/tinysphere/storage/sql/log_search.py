"""Finds log records, newest first, by their words too.

Words that few records hold are found in the full-text index, and sorted. A word that many hold would mean to sort all
of those for a page of a hundred: instead the records are walked from the newest back, in growing windows of time, until
the page is full.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from tinysphere.domain.moments import moment_of
from tinysphere.storage.ports.telemetry import LogFilter
from tinysphere.storage.sql.log_queries import (
    LogKey,
    indexed_query,
    log_query,
    match_query,
    walked_query,
    window_query,
)

FEW = 2000  # records to sort
FIRST_WINDOW_ROWS = 1000  # of each level
WINDOW_GROWTH = 4
LARGEST_WINDOW_ROWS = 64_000

_BEFORE_ALL_IDS = 0


def search(
    connection: sa.Connection, wanted: LogFilter, *, after: LogKey | None, limit: int
) -> Sequence[sa.Row[Any]]:
    """See `TelemetryReader.logs`."""
    if not wanted.words:
        return connection.execute(log_query(wanted, after=after, limit=limit)).all()
    dialect_name = connection.dialect.name
    match_count = connection.execute(match_query(dialect_name, wanted.words, FEW + 1)).scalar_one()
    if match_count <= FEW:
        query = indexed_query(dialect_name, wanted, after=after, limit=limit)
        return connection.execute(query).all()
    return _walked(connection, wanted, after, limit)


def _walked(
    connection: sa.Connection, wanted: LogFilter, after: LogKey | None, limit: int
) -> list[sa.Row[Any]]:
    found: list[sa.Row[Any]] = []
    row_count = FIRST_WINDOW_ROWS
    while True:
        floor_us = connection.scalar(window_query(wanted, after=after, row_count=row_count))
        query = walked_query(
            connection.dialect.name, wanted, after=after, floor_us=floor_us, limit=limit - len(found)
        )
        found += connection.execute(query)
        if floor_us is None or len(found) == limit:
            return found
        after = moment_of(floor_us), _BEFORE_ALL_IDS
        row_count = min(WINDOW_GROWTH * row_count, LARGEST_WINDOW_ROWS)
