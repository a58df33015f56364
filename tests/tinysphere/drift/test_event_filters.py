"""Filters of events give the same as looking at every event, under each combination and page by page."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import product
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa

from tests.tinysphere.drift.builders import START, event_message, event_record, timestamp, uuid
from tests.tinysphere.drift.conftest import Called
from tests.tinysphere.drift.refusals import invalid, refused
from tests.tinysphere.drift.test_lists import list_events
from tests.tinysphere.drift.test_reports import report_events
from tinymlops.v1 import drift_pb2
from tinysphere.domain.drift import DriftEvent, DriftEventState, DriftScope, DriftType, Severity
from tinysphere.storage.ports.drift import EventFilter
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.drift import SqlDriftStore
from tinysphere.storage.sql.drift_rows import event_row
from tinysphere.storage.sql.tables_drift import drift_event_progress, drift_events

COUNT = 300
MINUTE = timedelta(minutes=1)
SEVERITIES = list(Severity)


@pytest.fixture
def events(database: Database) -> list[DriftEvent]:
    """Of all kinds, newest first; several come at the same moment."""
    rng = Random(7)
    made = [
        event_record(
            number,
            device_id=f"camera-{rng.randrange(3)}",
            type=rng.choice(list(DriftType)),
            severity=rng.choice([None, *SEVERITIES]),
            scope=rng.choice([None, *DriftScope]),
            state=rng.choice(list(DriftEventState)),
            receive_time=START + timedelta(seconds=number // 3),
        )
        for number in range(COUNT)
    ]
    with database.transaction() as connection:
        connection.execute(sa.insert(drift_events), [event_row(event) for event in made])
        owners = [{"drift_event_id": event.drift_event_id, "device_id": event.device_id} for event in made]
        connection.execute(sa.insert(drift_event_progress), owners)
    return made[::-1]


def filters() -> Iterator[EventFilter]:
    states = [frozenset[DriftEventState](), frozenset({DriftEventState.OPEN, DriftEventState.RESOLVED})]
    types = [None, DriftType.CONFIDENCE]
    severities = [None, Severity.LOW, Severity.CRITICAL]
    for state, kind, severity, scope in product(states, types, severities, [None, DriftScope.SYSTEMIC]):
        yield EventFilter(states=state, type=kind, minimum_severity=severity, scope=scope)


def matches(event: DriftEvent, wanted: EventFilter) -> bool:
    severities = SEVERITIES[SEVERITIES.index(wanted.minimum_severity or Severity.LOW) :]
    return (
        wanted.device_id in ("", event.device_id)
        and (not wanted.states or event.state in wanted.states)
        and wanted.type in (None, event.type)
        and (wanted.minimum_severity is None or event.severity in severities)
        and wanted.scope in (None, event.scope)
        and (wanted.received_from is None or event.receive_time >= wanted.received_from)
        and (wanted.received_before is None or event.receive_time < wanted.received_before)
    )


def listed(store: SqlDriftStore, wanted: EventFilter, *, limit: int) -> list[str]:
    found: list[str] = []
    after = None
    while page := store.list_events(wanted, after=after, limit=limit):
        found += [event.drift_event_id for event in page]
        after = (page[-1].receive_time, page[-1].drift_event_id)
    return found


def test_filters_let_the_same_pass_as_looking_at_each(store: SqlDriftStore, events: list[DriftEvent]) -> None:
    middle = START + timedelta(seconds=COUNT // 9)
    for number, plain in enumerate(filters()):
        narrowed = replace(plain, device_id="camera-1" if number % 2 else "")
        for wanted in (plain, replace(narrowed, received_from=middle, received_before=middle + MINUTE)):
            expected = [event.drift_event_id for event in events if matches(event, wanted)]
            assert listed(store, wanted, limit=COUNT) == expected, wanted


def test_filtered_pages_join_without_gap_or_repeat(store: SqlDriftStore, events: list[DriftEvent]) -> None:
    wanted = EventFilter(minimum_severity=Severity.MEDIUM, scope=DriftScope.LOCAL)
    expected = [event.drift_event_id for event in events if matches(event, wanted)]
    assert len(expected) > 20
    assert listed(store, wanted, limit=2) == expected


def test_filters_come_through_the_contract(called: Called) -> None:
    report_events(
        called,
        event_message(1, severity=drift_pb2.SEVERITY_LOW),
        event_message(2, severity=drift_pb2.SEVERITY_CRITICAL),
        event_message(3, type=drift_pb2.DRIFT_TYPE_CONFIDENCE),
        event_message(4, severity=drift_pb2.SEVERITY_UNSPECIFIED),
    )

    def found(**fields: Any) -> list[str]:
        return [event.drift_event_id for event in list_events(called, **fields).drift_events]

    assert found(minimum_severity=drift_pb2.SEVERITY_HIGH) == [uuid(3), uuid(2)]
    assert found(type=drift_pb2.DRIFT_TYPE_CONFIDENCE) == [uuid(3)]
    assert found(type=drift_pb2.DRIFT_TYPE_CONFIDENCE, minimum_severity=drift_pb2.SEVERITY_CRITICAL) == []
    assert found(scope=drift_pb2.DRIFT_SCOPE_SYSTEMIC) == []
    assert found(before_time=timestamp(START)) == []
    assert len(found(after_time=timestamp(START))) == 4
    token = list_events(called, page_size=1, minimum_severity=drift_pb2.SEVERITY_LOW).next_page_token
    assert found(page_token=token, minimum_severity=drift_pb2.SEVERITY_LOW) == [uuid(2), uuid(1)]
    assert refused(lambda: found(page_token=token)).reason == "INVALID_PAGE_TOKEN"
    for field in ("type", "minimum_severity", "scope"):
        assert refused(lambda name=field: found(**{name: 99})) == invalid(field)
