"""Key-set pages of the drift tables: each starts in an index at its key and reads no row that it does not return.

A state that is not filtered by would break the order of an index that begins with it, so such a page merges one
short run per state: at most `limit` keys of each, however many rows there are.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tinysphere.domain.drift import DriftEventState, SampleState
from tinysphere.storage.ports.drift import (
    EventFilter,
    FeedbackFilter,
    SampleFilter,
    TimeKey,
    VerdictFilter,
)
from tinysphere.storage.sql.drift_rows import PROGRESS_COLUMNS
from tinysphere.storage.sql.review_settings import SETTINGS_ID
from tinysphere.storage.sql.tables_drift import (
    drift_event_progress,
    drift_events,
    feedback_items,
    samples,
    verdicts,
)
from tinysphere.storage.sql.tables_review import review_settings

Query = sa.Select[Any]

EVENTS = sa.select(drift_events, *(drift_event_progress.c[name] for name in PROGRESS_COLUMNS)).join_from(
    drift_events,
    drift_event_progress,
    drift_events.c.drift_event_id == drift_event_progress.c.drift_event_id,
)
FEEDBACK = sa.select(
    feedback_items, samples.c.embedding, samples.c.dimension_count, samples.c.feature_space
).join_from(feedback_items, samples)


def event_page(wanted: EventFilter, *, after: TimeKey | None, limit: int) -> Query:
    """Newest first."""
    key = (drift_events.c.receive_time, drift_events.c.drift_event_id)
    where = _equal(drift_events.c.device_id, wanted.device_id)
    states = sorted(state.value for state in wanted.states or DriftEventState)
    runs = [
        _run(key, [drift_events.c.state == state, *where], after=after, limit=limit, newest_first=True)
        for state in states
    ]
    page = _merged(runs, limit=limit, newest_first=True)
    return EVENTS.join(page, page.c.id == drift_events.c.drift_event_id).order_by(
        page.c.moment.desc(), page.c.id.desc()
    )


def event_counts(
    device_id: str, *, detected_from: datetime | None, detected_before: datetime | None
) -> Query:
    """Events by state, type and severity; one index covers it."""
    group = (drift_events.c.state, drift_events.c.type, drift_events.c.severity)
    where = _equal(drift_events.c.device_id, device_id)
    if detected_from is not None:
        where.append(drift_events.c.detect_time >= detected_from)
    if detected_before is not None:
        where.append(drift_events.c.detect_time < detected_before)
    return (
        sa.select(*group, sa.func.count().label("event_count"))
        .where(*where)
        .group_by(*group)
        .order_by(*group)
    )


def sample_page(wanted: SampleFilter, *, after: TimeKey | None, limit: int) -> Query:
    """Oldest first."""
    key = (samples.c.capture_time, samples.c.sample_id)
    where = [
        *_equal(samples.c.device_id, wanted.device_id),
        *_equal(samples.c.drift_event_id, wanted.drift_event_id),
        *_equal(samples.c.group_id, wanted.group_id),
    ]
    states = [wanted.state] if wanted.state is not None else list(SampleState)
    runs = [
        _run(key, [samples.c.state == state.value, *where], after=after, limit=limit, newest_first=False)
        for state in states
    ]
    page = _merged(runs, limit=limit, newest_first=False)
    return sa.select(samples).join(page, page.c.id == samples.c.sample_id).order_by(page.c.moment, page.c.id)


def verdict_page(wanted: VerdictFilter, *, after: int | None, limit: int) -> Query:
    """In the order they were given."""
    where = [
        *_equal(verdicts.c.sample_id, wanted.sample_id),
        *_equal(verdicts.c.drift_event_id, wanted.drift_event_id),
    ]
    if after is not None:
        where.append(verdicts.c.ordinal > after)
    query = sa.select(verdicts).where(*where).order_by(verdicts.c.ordinal).limit(limit)
    if not wanted.reader:
        return query
    sighted = review_settings.c.settings_id == SETTINGS_ID, review_settings.c.blind == sa.false()
    open_eyes = sa.select(review_settings).where(*sighted).exists()
    own, judged = verdicts.c.reviewer == wanted.reader, samples.c.state == SampleState.JUDGED.value
    return query.join_from(verdicts, samples).where(own | judged | open_eyes)


def feedback_page(wanted: FeedbackFilter, *, after: int | None, limit: int) -> Query:
    """Newest first."""
    where = [
        *_equal(feedback_items.c.device_id, wanted.device_id),
        *_equal(feedback_items.c.drift_event_id, wanted.drift_event_id),
    ]
    if after is not None:
        where.append(feedback_items.c.ordinal < after)
    return FEEDBACK.where(*where).order_by(feedback_items.c.ordinal.desc()).limit(limit)


def waiting_feedback(device_id: str, *, after_sequence: int, limit: int) -> Query:
    """A device's items that are not done, in ascending sequence."""
    return (
        FEEDBACK.where(
            feedback_items.c.device_id == device_id,
            feedback_items.c.done == sa.false(),
            feedback_items.c.sequence > after_sequence,
        )
        .order_by(feedback_items.c.sequence)
        .limit(limit)
    )


def _run(
    key: tuple[sa.ColumnElement[Any], sa.ColumnElement[Any]],
    where: Iterable[sa.ColumnElement[bool]],
    *,
    after: TimeKey | None,
    limit: int,
    newest_first: bool,
) -> Query:
    """The next keys of one state."""
    moment, identity = key
    run = sa.select(moment.label("moment"), identity.label("id")).where(*where).limit(limit)
    if after is not None:
        here, start = sa.tuple_(moment, identity), sa.tuple_(*after, types=[moment.type, identity.type])
        run = run.where(here < start if newest_first else here > start)
    return run.order_by(*(column.desc() if newest_first else column for column in key))


def _merged(runs: Sequence[Query], *, limit: int, newest_first: bool) -> sa.Subquery:
    """The first keys of several runs."""
    # SQLite takes no LIMIT inside a UNION, except in a subquery.
    merged = sa.union_all(*(sa.select(run.subquery()) for run in runs)).subquery()
    key = (merged.c.moment, merged.c.id)
    order = (column.desc() if newest_first else column for column in key)
    return sa.select(*key).order_by(*order).limit(limit).subquery("page")


def _equal(column: sa.ColumnElement[str], value: str) -> list[sa.ColumnElement[bool]]:
    return [column == value] if value else []
