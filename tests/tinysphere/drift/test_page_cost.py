"""A page reads about as many rows as it returns, however many there are and however deep it lies."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from tests.tinysphere.drift.builders import (
    BUNDLE,
    SPACE,
    START,
    adaptation_record,
    event_record,
    sample_record,
    uuid,
)
from tinysphere.domain.backlogs import FeedbackBacklog
from tinysphere.domain.drift import DriftEventState, DriftScope, SampleState, Severity
from tinysphere.domain.queue import QueueFilter
from tinysphere.domain.review import QueueOrder
from tinysphere.domain.sample_groups import GroupCentre
from tinysphere.storage.ports.adaptations import AdaptationFilter
from tinysphere.storage.ports.drift import EventFilter, FeedbackFilter, SampleFilter, VerdictFilter
from tinysphere.storage.ports.queue import LeaseRequest
from tinysphere.storage.ports.review import AuditFilter
from tinysphere.storage.ports.sample_groups import GroupFilter
from tinysphere.storage.ports.scopes import AlarmSpan
from tinysphere.storage.sql import drift_pages as pages
from tinysphere.storage.sql import review_pages
from tinysphere.storage.sql.adaptations import adaptation_page, adaptation_row
from tinysphere.storage.sql.backlogs import idle_page, waiting_page
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.drift_rows import event_row, sample_row
from tinysphere.storage.sql.event_pages import event_page
from tinysphere.storage.sql.queue import free
from tinysphere.storage.sql.sample_group_pages import group_page, newest_centres
from tinysphere.storage.sql.sample_group_rows import new_group_row
from tinysphere.storage.sql.scopes import newest_alarms, scopes_due
from tinysphere.storage.sql.tables_audit import audit_records
from tinysphere.storage.sql.tables_backlogs import feedback_backlogs
from tinysphere.storage.sql.tables_drift import (
    adaptations,
    drift_event_progress,
    drift_events,
    feature_spaces,
    feedback_items,
    samples,
    verdicts,
)
from tinysphere.storage.sql.tables_queue import queue_entries
from tinysphere.storage.sql.tables_review import labels
from tinysphere.storage.sql.tables_sample_groups import sample_groups

ROWS = 12_000
LIMIT = 20
DEEP = ROWS // 2
MOMENT = START + timedelta(seconds=DEEP)


def leasing(order: QueueOrder, **wanted: str) -> LeaseRequest:
    return LeaseRequest(
        reviewer="bob",
        wanted=QueueFilter(**wanted),
        order=order,
        limit=LIMIT,
        now=START,
        expire_time=START,
        speaker_limit=3,
    )


QUERIES = {
    "events": event_page(EventFilter(), after=(MOMENT, uuid(DEEP)), limit=LIMIT),
    "events of states": event_page(
        EventFilter(states=frozenset({DriftEventState.OPEN, DriftEventState.IN_REVIEW})),
        after=(MOMENT, uuid(DEEP)),
        limit=LIMIT,
    ),
    "events of a scope": event_page(
        EventFilter(scope=DriftScope.SYSTEMIC), after=(MOMENT, uuid(DEEP)), limit=LIMIT
    ),
    "events of a severity": event_page(
        EventFilter(minimum_severity=Severity.HIGH), after=(MOMENT, uuid(DEEP)), limit=LIMIT
    ),
    "events of a device": event_page(
        EventFilter(device_id="camera-1"), after=(MOMENT, uuid(DEEP)), limit=LIMIT
    ),
    "samples": pages.sample_page(SampleFilter(), after=(MOMENT, uuid(DEEP)), limit=LIMIT),
    "open samples": pages.sample_page(
        SampleFilter(state=SampleState.OPEN), after=(MOMENT, uuid(DEEP)), limit=LIMIT
    ),
    "samples of an event": pages.sample_page(
        SampleFilter(drift_event_id=uuid(1)), after=(MOMENT, uuid(DEEP)), limit=LIMIT
    ),
    "samples of a group": pages.sample_page(
        SampleFilter(group_id=uuid(3)), after=(MOMENT, uuid(DEEP)), limit=LIMIT
    ),
    "groups": group_page(GroupFilter(), after=(DEEP, uuid(DEEP)), limit=LIMIT),
    "open groups": group_page(GroupFilter(open_only=True), after=(DEEP, uuid(DEEP)), limit=LIMIT),
    "groups of a feature space": group_page(
        GroupFilter(feature_space=SPACE, minimum_sample_count=2), after=(DEEP, uuid(DEEP)), limit=LIMIT
    ),
    "newest groups": newest_centres(SPACE, limit=LIMIT),
    "events whose scope is due": scopes_due(now=MOMENT, limit=LIMIT),
    "alarms of a time": newest_alarms(
        AlarmSpan(bundle_sha256=BUNDLE, cause=None, since=START, before=MOMENT), limit=LIMIT
    ),
    "verdicts": pages.verdict_page(VerdictFilter(), after=DEEP, limit=LIMIT),
    "verdicts of an event": pages.verdict_page(
        VerdictFilter(drift_event_id=uuid(1)), after=DEEP, limit=LIMIT
    ),
    "verdicts as a reviewer sees them": pages.verdict_page(
        VerdictFilter(reader="ann"), after=DEEP, limit=LIMIT
    ),
    "disagreements": review_pages.disagreement_page(after=(MOMENT, uuid(DEEP)), limit=LIMIT),
    "labels": review_pages.label_page(after=f"label {DEEP:05}", limit=LIMIT),
    "audit records": review_pages.audit_page(AuditFilter(), after=(MOMENT, DEEP), limit=LIMIT),
    "audit records of a subject": review_pages.audit_page(
        AuditFilter(subject="bag"), after=(MOMENT, DEEP), limit=LIMIT
    ),
    "audit records of a time": review_pages.audit_page(
        AuditFilter(before_time=MOMENT), after=None, limit=LIMIT
    ),
    "newest verdicts": review_pages.newest_verdicts(after_time=START, before_time=None, limit=LIMIT),
    "feedback": pages.feedback_page(FeedbackFilter(), after=DEEP, limit=LIMIT),
    "feedback of a device": pages.feedback_page(
        FeedbackFilter(device_id="camera-1"), after=DEEP, limit=LIMIT
    ),
    "adaptations": adaptation_page(AdaptationFilter(), after=(MOMENT, uuid(DEEP)), limit=LIMIT),
    "adaptations of a device": adaptation_page(
        AdaptationFilter(device_id="camera-1"), after=(MOMENT, uuid(DEEP)), limit=LIMIT
    ),
    "adaptations of an event": adaptation_page(
        AdaptationFilter(drift_event_id=uuid(1)), after=(MOMENT, uuid(DEEP)), limit=LIMIT
    ),
    "backlogs": waiting_page((MOMENT, "camera-1"), limit=LIMIT),
    "idle backlogs": idle_page((None, "camera-1"), limit=LIMIT),
    "waiting feedback": pages.waiting_feedback("camera-1", after_sequence=DEEP, limit=LIMIT),
}
QUEUE = {
    f"{order.value} {wanted}": free(leasing(order, **wanted)).limit(LIMIT)
    for order in QueueOrder
    for wanted in ({}, {"device_id": "camera-1"}, {"drift_event_id": uuid(1)})
}


@pytest.fixture
def filled(database: Database) -> Database:
    """Thousands of rows in every table that is listed."""
    numbers = range(ROWS)
    with database.transaction() as connection:
        connection.execute(sa.insert(feature_spaces), {"feature_space": SPACE, "dimension_count": 2})
        connection.execute(sa.insert(drift_events), [_event(number) for number in numbers])
        connection.execute(
            sa.insert(drift_event_progress),
            [{"drift_event_id": uuid(number), "device_id": f"camera-{number % 3}"} for number in numbers],
        )
        connection.execute(sa.insert(samples), [_sample(number) for number in numbers])
        connection.execute(sa.insert(sample_groups), [_group(number) for number in numbers])
        connection.execute(sa.insert(verdicts), [_verdict(number) for number in numbers])
        connection.execute(sa.insert(labels), [_label(number) for number in numbers])
        connection.execute(sa.insert(audit_records), [_audited(number) for number in numbers])
        connection.execute(sa.insert(feedback_items), [_feedback(number) for number in numbers])
        connection.execute(sa.insert(adaptations), [_adaptation(number) for number in numbers])
        connection.execute(sa.insert(feedback_backlogs), [_backlog(number) for number in numbers])
        connection.execute(sa.insert(queue_entries), [_entry(number) for number in numbers])
        connection.execute(sa.text("ANALYZE"))
    return database


def _event(number: int) -> Mapping[str, Any]:
    state = list(DriftEventState)[number % 3]
    severity, scope = list(Severity)[number % 4], [None, *DriftScope][number % 3]
    return event_row(
        event_record(number, state=state, device_id=f"camera-{number % 7}", severity=severity, scope=scope)
    )


def _group(number: int) -> Mapping[str, Any]:
    centre = GroupCentre(
        group_id=uuid(number),
        sample_count=number,
        embedding_sum=bytes(8),
        neighbour_labels={},
        join_ordinal=number,
    )
    counts = {"sample_count": number, "open_sample_count": number}
    return {**new_group_row(centre, SPACE, now=START), **counts}


def _sample(number: int) -> Mapping[str, Any]:
    disagree_time = START + timedelta(seconds=number) if number % 2 else None
    changes = {"drift_event_id": uuid(number % 2), "disagree_time": disagree_time}
    row = sample_row(sample_record(number, sample_id=uuid(number), **changes))
    return {**row, "group_id": uuid(3) if number % 2 else None}


def _verdict(number: int) -> Mapping[str, Any]:
    return {
        "verdict_id": uuid(number),
        "sample_id": uuid(number),
        "drift_event_id": uuid(number % 2),
        "reviewer": "ann",
        "decision": "NEW_LABEL",
        "label": "bag",
        "confidence": 0.0,
        "note": "",
        "submit_time": START,
    }


def _label(number: int) -> Mapping[str, Any]:
    name = f"label {number:05}"
    return {"label_key": name, "name": name, "creator": "model", "create_time": START}


def _audited(number: int) -> Mapping[str, Any]:
    return {
        "audit_time": START + timedelta(seconds=number),
        "actor": "ann",
        "action": "label.rename",
        "subject": "bag" if number % 2 else "shoe",
        "detail": {},
        "from_value": "bag",
        "to_value": "shoe",
    }


def _feedback(number: int) -> Mapping[str, Any]:
    return {
        "feedback_id": uuid(number),
        "device_id": f"camera-{number % 2}",
        "sequence": number,
        "sample_id": uuid(number),
        "drift_event_id": uuid(number % 2),
        "decision": "NEW_LABEL",
        "label": "bag",
        "create_time": START,
        "done": number % 3 == 0,
    }


def _adaptation(number: int) -> Mapping[str, Any]:
    owner, event = f"camera-{number % 2}", uuid(number % 2)
    return adaptation_row(
        adaptation_record(number, adaptation_id=uuid(number), device_id=owner, drift_event_id=event)
    )


def _backlog(number: int) -> Mapping[str, Any]:
    oldest = START + timedelta(seconds=number) if number % 2 else None
    backlog = FeedbackBacklog(device_id=f"camera-{number}", oldest_waiting_time=oldest)
    return asdict(backlog)


def _entry(number: int) -> Mapping[str, Any]:
    return {
        "sample_id": uuid(number),
        "device_id": f"camera-{number % 2}",
        "drift_event_id": uuid(number % 2),
        "value": 1 / (1 + number),
        "capture_time": START + timedelta(seconds=number),
        "distance_score": float(number),
    }


def _rows_read(plan: Mapping[str, Any]) -> Iterator[int]:
    """Rows that each node of a PostgreSQL plan read from a table or an index, discarded ones included."""
    if "Relation Name" in plan:
        loops = plan["Actual Loops"]
        yield loops * (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0))
    for child in plan.get("Plans", ()):
        yield from _rows_read(child)


def test_a_deep_page_reads_few_rows(filled: Database) -> None:
    with filled.reading() as connection:
        for name, query in QUERIES.items():
            compiled = query.compile(connection, compile_kwargs={"literal_binds": True})
            rows = connection.execute(query).all()
            assert len(rows) == LIMIT, name
            if filled.is_sqlite:
                steps = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}").all()
                scans = [step[3] for step in steps if step[3].startswith("SCAN")]
                assert [step for step in scans if "anon" not in step and "page" not in step] == [], name
            else:
                assert rows_read(connection, str(compiled)) <= 8 * LIMIT, name


def test_the_queue_hands_out_samples_without_sorting_them(filled: Database) -> None:
    with filled.reading() as connection:
        for name, query in QUEUE.items():
            compiled = query.compile(connection, compile_kwargs={"literal_binds": True})
            assert len(connection.execute(query).all()) == LIMIT, name
            if filled.is_sqlite:
                steps = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}").all()
                assert [step[3] for step in steps if "TEMP B-TREE" in step[3]] == [], name
            else:
                assert rows_read(connection, str(compiled)) <= 8 * LIMIT, name


def rows_read(connection: sa.Connection, query: str) -> int:
    """How many rows PostgreSQL reads for a query."""
    (plan,) = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}").scalar_one()
    return sum(_rows_read(plan["Plan"]))
