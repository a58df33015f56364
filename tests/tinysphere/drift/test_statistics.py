"""Counts of drift events through real gRPC, and how they are cut."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from tests.tinysphere.drift.builders import START, event_message, event_record, timestamp
from tests.tinysphere.drift.conftest import Called
from tests.tinysphere.drift.refusals import invalid, refused
from tests.tinysphere.drift.test_reports import report_events
from tests.tinysphere.drift.test_reviews import resolve
from tinymlops.v1 import device_pb2, drift_pb2, drift_service_pb2
from tinysphere.domain.statistics import DriftDimension
from tinysphere.storage.ports.statistics import CountRequest
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.drift_rows import event_row
from tinysphere.storage.sql.statistics import SqlStatisticsStore
from tinysphere.storage.sql.tables_drift import drift_events

HOUR, DAY = drift_service_pb2.DRIFT_DIMENSION_HOUR, drift_service_pb2.DRIFT_DIMENSION_DAY
DEVICE = drift_service_pb2.DRIFT_DIMENSION_DEVICE
LATE = datetime(2026, 11, 22, 23, 59, 59, 999_999, tzinfo=UTC)


@pytest.fixture
def counted(called: Called) -> Called:
    """Four events on two days: three of camera-1, one of which is resolved, and one of camera-2."""
    older = device_pb2.ModelReference(model_name="fashion", version=7)
    report_events(
        called,
        event_message(1),
        event_message(2, detect_time=timestamp(LATE), cause=drift_pb2.DRIFT_CAUSE_NOVELTY),
        event_message(3, detect_time=timestamp(LATE + timedelta(microseconds=1)), severity=0),
        event_message(4, device_id="camera-2", model=older),
    )
    resolve(called, 2)
    return called


def counts(called: Called, **fields: Any) -> list[drift_service_pb2.DriftCount]:
    response = called.drift.GetDriftStatistics(drift_service_pb2.GetDriftStatisticsRequest(**fields))
    assert not response.truncated
    return list(response.counts)


def test_without_a_wish_events_are_counted_by_state_type_and_severity(counted: Called) -> None:
    rows = counts(counted)
    assert [row.event_count for row in rows] == [2, 1, 1]
    most = drift_service_pb2.DriftCount(
        state=drift_pb2.DRIFT_EVENT_STATE_OPEN,
        type=drift_pb2.DRIFT_TYPE_KNN_DISTANCE,
        severity=drift_pb2.SEVERITY_HIGH,
        event_count=2,
    )
    assert rows[0] == most, "what was not counted by is unset"


def test_hours_and_days_begin_in_utc(counted: Called) -> None:
    hours = {row.hour_time.ToDatetime(UTC): row.event_count for row in counts(counted, dimensions=[HOUR])}
    assert hours == {
        START: 2,
        LATE.replace(minute=0, second=0, microsecond=0): 1,
        LATE + timedelta(microseconds=1): 1,
    }
    days = {row.day_time.ToDatetime(UTC): row.event_count for row in counts(counted, dimensions=[DAY])}
    assert days == {datetime(2026, 11, 22, tzinfo=UTC): 3, datetime(2026, 11, 23, tzinfo=UTC): 1}


def test_dimensions_combine_in_any_order(counted: Called) -> None:
    model = drift_service_pb2.DRIFT_DIMENSION_MODEL_VERSION
    rows = counts(counted, dimensions=[model, DAY, DEVICE, DEVICE])
    assert [(row.device_id, row.model_name, row.model_version, row.event_count) for row in rows] == [
        ("camera-1", "fashion", 1, 2),
        ("camera-1", "fashion", 1, 1),
        ("camera-2", "fashion", 7, 1),
    ]
    cause = counts(counted, dimensions=[drift_service_pb2.DRIFT_DIMENSION_CAUSE], device_id="camera-1")
    assert [(row.cause, row.event_count) for row in cause] == [(0, 2), (drift_pb2.DRIFT_CAUSE_NOVELTY, 1)]
    (scope,) = counts(counted, dimensions=[drift_service_pb2.DRIFT_DIMENSION_SCOPE])
    assert (scope.scope, scope.event_count) == (drift_pb2.DRIFT_SCOPE_UNSPECIFIED, 4)


def test_times_bound_what_is_counted(counted: Called) -> None:
    late = timestamp(LATE)
    assert sum(row.event_count for row in counts(counted, after_time=late)) == 2
    assert sum(row.event_count for row in counts(counted, before_time=late, device_id="camera-1")) == 1


def test_wrong_dimensions_are_named(called: Called) -> None:
    assert refused(lambda: counts(called, dimensions=[0])) == invalid("dimensions[0]")
    assert refused(lambda: counts(called, dimensions=[1, 99])) == invalid("dimensions[1]")
    assert refused(lambda: counts(called, dimensions=[1, 2, 3, 4, 5])) == invalid("dimensions")


def test_more_than_ten_thousand_rows_are_cut(called: Called, database: Database) -> None:
    rows = [event_row(event_record(number, device_id=f"camera-{number}")) for number in range(10_001)]
    with database.transaction() as connection:
        connection.execute(
            sa.insert(drift_events), [*rows, event_row(event_record(20_000, device_id="most"))]
        )
        connection.execute(
            sa.update(drift_events).where(drift_events.c.device_id == "camera-5").values(device_id="most")
        )
    response = called.drift.GetDriftStatistics(
        drift_service_pb2.GetDriftStatisticsRequest(dimensions=[DEVICE])
    )
    assert (len(response.counts), response.truncated) == (10_000, True)
    assert (response.counts[0].device_id, response.counts[0].event_count) == ("most", 2)
    request = CountRequest(
        device_id="", detected_from=None, detected_before=None, dimensions=(DriftDimension.DEVICE,)
    )
    assert len(SqlStatisticsStore(database).count_events(request, limit=20_000)) == 10_001
