"""Pages of drift events under any of their filters.

One filter beside the state has an index of its own. Several go through one index over all of them (`facets`): at
most sixty runs, and still no row is read in vain. What is filtered of one device's events is looked for among these.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import sqlalchemy as sa

from tinysphere.domain.drift import DriftEventState, DriftScope, DriftType, Severity
from tinysphere.storage.ports.drift import EventFilter, TimeKey
from tinysphere.storage.sql.drift_rows import PROGRESS_COLUMNS
from tinysphere.storage.sql.runs import Query, equal, merged, run
from tinysphere.storage.sql.tables_drift import drift_event_progress, drift_events

EVENTS = sa.select(drift_events, *(drift_event_progress.c[name] for name in PROGRESS_COLUMNS)).join_from(
    drift_events,
    drift_event_progress,
    drift_events.c.drift_event_id == drift_event_progress.c.drift_event_id,
)

_KEY = (drift_events.c.receive_time, drift_events.c.drift_event_id)

Values = Sequence[str | None]
Facet = Mapping[sa.Column[Any], str | None]


def event_page(wanted: EventFilter, *, after: TimeKey | None, limit: int) -> Query:
    """Newest first."""
    common = _common(wanted)
    runs = []
    for facet in _facets(wanted):
        equalities = [column == value for column, value in facet.items() if value is not None]
        empty = [column for column, value in facet.items() if value is None]
        where = [*equalities, *common]
        runs.append(run(_KEY, where, after=after, limit=limit, newest_first=True, empty=empty))
    page = merged(runs, limit=limit, newest_first=True)
    return EVENTS.join(page, page.c.id == drift_events.c.drift_event_id).order_by(
        page.c.moment.desc(), page.c.id.desc()
    )


def _common(wanted: EventFilter) -> list[sa.ColumnElement[bool]]:
    """What holds in every run."""
    where = equal(drift_events.c.device_id, wanted.device_id)
    if wanted.received_from is not None:
        where.append(drift_events.c.receive_time >= wanted.received_from)
    if wanted.received_before is not None:
        where.append(drift_events.c.receive_time < wanted.received_before)
    if wanted.device_id:
        where += [column.in_(values) for column, values in _filtered(wanted).items()]
    return where


def _facets(wanted: EventFilter) -> Iterator[Facet]:
    """One for each run: a state, and a value of every column that the index has besides."""
    states: Values = sorted(state.value for state in wanted.states or DriftEventState)
    filtered = {} if wanted.device_id else _filtered(wanted)
    columns = {drift_events.c.state: states, **(filtered if len(filtered) < 2 else {**_all(), **filtered})}
    for values in product(*columns.values()):
        yield dict(zip(columns, values, strict=True))


def _filtered(wanted: EventFilter) -> Mapping[sa.Column[Any], Values]:
    """The values that are asked for, by column."""
    found: dict[sa.Column[Any], Values] = {}
    if wanted.type is not None:
        found[drift_events.c.type] = [wanted.type.value]
    if wanted.minimum_severity is not None:
        severities = list(Severity)
        high_enough = severities[severities.index(wanted.minimum_severity) :]
        found[drift_events.c.severity] = [severity.value for severity in high_enough]
    if wanted.scope is not None:
        found[drift_events.c.scope] = [wanted.scope.value]
    return found


def _all() -> Mapping[sa.Column[Any], Values]:
    return {
        drift_events.c.type: [member.value for member in DriftType],
        drift_events.c.severity: [None, *(member.value for member in Severity)],
        drift_events.c.scope: [None, *(member.value for member in DriftScope)],
    }
