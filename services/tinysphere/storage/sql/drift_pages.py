"""Key-set pages of samples, verdicts and feedback: none reads a row that it does not return (see `runs`)."""

import sqlalchemy as sa

from tinysphere.domain.drift import SampleState
from tinysphere.storage.ports.drift import (
    FeedbackFilter,
    SampleFilter,
    TimeKey,
    VerdictFilter,
)
from tinysphere.storage.sql.review_settings import SETTINGS_ID
from tinysphere.storage.sql.runs import Query, equal, merged, run
from tinysphere.storage.sql.tables_drift import feedback_items, samples, verdicts
from tinysphere.storage.sql.tables_review import review_settings

FEEDBACK = sa.select(
    feedback_items, samples.c.embedding, samples.c.dimension_count, samples.c.feature_space
).join_from(feedback_items, samples)


def sample_page(wanted: SampleFilter, *, after: TimeKey | None, limit: int) -> Query:
    """Oldest first."""
    key = (samples.c.capture_time, samples.c.sample_id)
    where = [
        *equal(samples.c.device_id, wanted.device_id),
        *equal(samples.c.drift_event_id, wanted.drift_event_id),
        *equal(samples.c.group_id, wanted.group_id),
    ]
    states = [wanted.state] if wanted.state is not None else list(SampleState)
    runs = [
        run(key, [samples.c.state == state.value, *where], after=after, limit=limit, newest_first=False)
        for state in states
    ]
    page = merged(runs, limit=limit, newest_first=False)
    return sa.select(samples).join(page, page.c.id == samples.c.sample_id).order_by(page.c.moment, page.c.id)


def verdict_page(wanted: VerdictFilter, *, after: int | None, limit: int) -> Query:
    """In the order they were given."""
    where = [
        *equal(verdicts.c.sample_id, wanted.sample_id),
        *equal(verdicts.c.drift_event_id, wanted.drift_event_id),
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
        *equal(feedback_items.c.device_id, wanted.device_id),
        *equal(feedback_items.c.drift_event_id, wanted.drift_event_id),
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
