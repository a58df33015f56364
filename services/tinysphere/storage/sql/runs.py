"""Key-set pages in runs: each starts in an index at its key and reads no row that it does not return.

What stands before the sort key in an index and is not filtered by would break the order, so such a page merges one
short run for each value of it: at most `limit` keys of each, however many rows there are.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from tinysphere.storage.ports.drift import TimeKey

Query = sa.Select[Any]
Key = tuple[sa.ColumnElement[Any], sa.ColumnElement[Any]]


def run(
    key: Key,
    where: Iterable[sa.ColumnElement[bool]],
    *,
    after: TimeKey | None,
    limit: int,
    newest_first: bool,
    empty: Iterable[sa.ColumnElement[Any]] = (),
) -> Query:
    """The next keys of one run.

    Args:
        key: A moment and an id.
        where: What the run is of.
        after: The last key of the page before.
        limit: Most keys.
        newest_first: Whether keys fall.
        empty: Columns that are NULL in this run. PostgreSQL takes an index that they stand in for sorted only when
            it is asked to sort by them.
    """
    moment, identity = key
    query = sa.select(moment.label("moment"), identity.label("id")).where(*where).limit(limit)
    query = query.where(*(column.is_(None) for column in empty))
    if after is not None:
        here, start = sa.tuple_(moment, identity), sa.tuple_(*after, types=[moment.type, identity.type])
        query = query.where(here < start if newest_first else here > start)
    return query.order_by(*(column.desc() if newest_first else column for column in (*empty, *key)))


def merged(runs: Sequence[Query], *, limit: int, newest_first: bool) -> sa.Subquery:
    """The first keys of several runs."""
    # SQLite takes no LIMIT inside a UNION, except in a subquery.
    union = sa.union_all(*(sa.select(part.subquery()) for part in runs)).subquery()
    key = (union.c.moment, union.c.id)
    order = (column.desc() if newest_first else column for column in key)
    return sa.select(*key).order_by(*order).limit(limit).subquery("page")


def equal(column: sa.ColumnElement[str], value: str) -> list[sa.ColumnElement[bool]]:
    """A filter by text, if there is any."""
    return [column == value] if value else []
