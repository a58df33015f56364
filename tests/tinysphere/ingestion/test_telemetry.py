"""Metrics and logs as people ask for them: packages in, QueryMetrics, ListMetrics and SearchLogs out, over gRPC."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from tests.support.refusals import refused
from tests.tinysphere.ingestion.builders import (
    DEVICE_ID,
    LOGS,
    METRICS,
    delimited,
    describe,
    json_lines,
    log_record,
    metric_point,
    packed,
)
from tests.tinysphere.ingestion.conftest import Ingestion, Serve
from tinymlops.v1 import package_pb2, telemetry_pb2, telemetry_service_pb2, telemetry_service_pb2_grpc
from tinysphere.ingestion import telemetry as use_cases

NAME = "latency_ms.total"
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MEAN = telemetry_pb2.METRIC_AGGREGATION_MEAN


class Telemetry:
    """The service, and how packages of metrics and logs get into it."""

    def __init__(self, service: Ingestion) -> None:
        self.service = service
        self.stub = telemetry_service_pb2_grpc.TelemetryServiceStub(service.channel)
        now = datetime.now(UTC)
        self.hour = now.replace(minute=0, second=0, microsecond=0) - 2 * HOUR

    def send(
        self,
        points: Sequence[package_pb2.MetricPoint] = (),
        logs: Sequence[package_pb2.LogRecord] = (),
        *,
        create_time: datetime | None = None,
        device_id: str = DEVICE_ID,
    ) -> None:
        """Have a package processed."""
        facts = {"device_id": device_id, "create_time": stamp(create_time or datetime.now(UTC))}
        entries = [("metrics.pb", METRICS, delimited(points)), ("logs.jsonl", LOGS, json_lines(logs))]
        found, content = packed(entries, **facts)
        descriptor = describe(content, found.format, package_id=found.package_id, **facts)
        self.service.put(descriptor, content)
        package = self.service.ended(descriptor.package_id)
        assert package.state == package_pb2.PACKAGE_STATE_PROCESSED, package

    def request(self, **changes: Any) -> telemetry_service_pb2.QueryMetricsRequest:
        """The two hours that are over, a minute a step."""
        facts: dict[str, Any] = {
            "name": NAME,
            "start_time": stamp(self.hour),
            "end_time": stamp(self.hour + 2 * HOUR),
            "step": MINUTE,
            "aggregation": MEAN,
        }
        return telemetry_service_pb2.QueryMetricsRequest(**{**facts, **changes})

    def query(self, **changes: Any) -> telemetry_service_pb2.QueryMetricsResponse:
        return self.stub.QueryMetrics(self.request(**changes))

    def search(self, **wanted: Any) -> list[package_pb2.LogRecord]:
        answer = self.stub.SearchLogs(telemetry_service_pb2.SearchLogsRequest(**wanted))
        return [found.record for found in answer.records]


@pytest.fixture
def telemetry(serve: Serve, migrated_url: str) -> Telemetry:
    service = serve(migrated_url)
    for device_id in (DEVICE_ID, "camera-2", "camera-3"):
        service.register(device_id)
    return Telemetry(service)


def stamp(moment: datetime) -> Timestamp:
    message = Timestamp()
    message.FromDatetime(moment)
    return message


def points(
    start: datetime, values: Sequence[float], every: timedelta = MINUTE
) -> list[package_pb2.MetricPoint]:
    return [
        metric_point(measure_time=stamp(start + number * every), value=value)
        for number, value in enumerate(values)
    ]


def told(series: telemetry_pb2.MetricSeries) -> list[tuple[datetime, int, float]]:
    return [(one.start_time.ToDatetime(tzinfo=UTC), one.count, one.value) for one in series.buckets]


def test_the_level_follows_the_step_and_empty_buckets_are_left_out(telemetry: Telemetry) -> None:
    hour = telemetry.hour
    telemetry.send(points(hour, [1, 2, 3]) + points(hour + HOUR, [5, 7], timedelta(seconds=10)))
    levels = {
        timedelta(seconds=10): telemetry_pb2.METRIC_LEVEL_RAW,
        MINUTE: telemetry_pb2.METRIC_LEVEL_MINUTE,
        2 * HOUR: telemetry_pb2.METRIC_LEVEL_HOUR,
    }
    for step, level in levels.items():
        assert telemetry.query(step=step).level == level
    assert told(telemetry.query(step=HOUR).series[0]) == [(hour, 3, 2.0), (hour + HOUR, 2, 6.0)]
    assert told(telemetry.query().series[0]) == [
        (hour, 1, 1.0),
        (hour + MINUTE, 1, 2.0),
        (hour + 2 * MINUTE, 1, 3.0),
        (hour + HOUR, 2, 6.0),
    ]
    answer = telemetry.query(step=HOUR, aggregation=telemetry_pb2.METRIC_AGGREGATION_P50)
    assert (answer.level, [one.value for one in answer.series[0].buckets]) == (
        telemetry_pb2.METRIC_LEVEL_RAW,
        [2, 5],
    )


def test_the_range_is_widened_to_whole_steps(telemetry: Telemetry) -> None:
    hour = telemetry.hour
    telemetry.send(points(hour, range(120)))
    answer = telemetry.query(
        start_time=stamp(hour + 59 * MINUTE), end_time=stamp(hour + 61 * MINUTE), step=HOUR
    )
    assert [one[:2] for one in told(answer.series[0])] == [(hour, 60), (hour + HOUR, 60)]
    assert answer.start_time.ToDatetime(tzinfo=UTC) == hour
    assert answer.end_time.ToDatetime(tzinfo=UTC) == hour + 2 * HOUR


def test_what_a_level_forgot_is_not_told_as_empty(telemetry: Telemetry) -> None:
    old = telemetry.hour - 20 * DAY
    telemetry.send(points(old, [1.0, 2.0]))
    whole = {"start_time": stamp(telemetry.hour - 21 * DAY), "end_time": stamp(telemetry.hour - 19 * DAY)}
    kept = telemetry.query(**whole, step=HOUR)
    assert told(kept.series[0]) == [(old, 2, 1.5)]
    gone = telemetry.query(**whole, step=timedelta(seconds=90))
    assert list(gone.series[0].buckets) == []
    assert gone.start_time == gone.end_time
    partly = telemetry.query(
        start_time=stamp(old),
        end_time=stamp(telemetry.hour),
        step=HOUR,
        aggregation=telemetry_pb2.METRIC_AGGREGATION_P99,
    )
    begin = partly.start_time.ToDatetime(tzinfo=UTC)
    assert timedelta() <= begin - (datetime.now(UTC) - 14 * DAY) <= HOUR


def test_devices_are_told_apart_and_paged(telemetry: Telemetry) -> None:
    for number, device_id in enumerate((DEVICE_ID, "camera-2", "camera-3")):
        telemetry.send(points(telemetry.hour, [number]), device_id=device_id)
    first = telemetry.query(page_size=2)
    assert [one.metric.device_id for one in first.series] == [DEVICE_ID, "camera-2"]
    second = telemetry.query(page_size=2, page_token=first.next_page_token)
    assert [(one.metric.device_id, one.buckets[0].value) for one in second.series] == [("camera-3", 2.0)]
    assert second.next_page_token == ""
    some = telemetry.query(device_ids=["camera-3", "camera-9", DEVICE_ID])
    assert [one.metric.device_id for one in some.series] == [DEVICE_ID, "camera-3"]
    other = refused(
        telemetry.stub.QueryMetrics, telemetry.request(page_token=first.next_page_token, step=HOUR)
    )
    assert other.kind == ("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN")


def test_a_page_holds_a_bounded_number_of_buckets(
    telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(use_cases, "MAX_PAGE_BUCKETS", 250)
    for device_id in (DEVICE_ID, "camera-2", "camera-3"):
        telemetry.send(points(telemetry.hour, [1.0]), device_id=device_id)
    answer = telemetry.query()  # of 120 steps
    assert len(answer.series) == 2
    assert answer.next_page_token


def test_what_costs_too_much_is_refused(telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(use_cases, "MAX_POINTS", 4)
    telemetry.send(points(telemetry.hour, [1, 2, 3, 4, 5]))
    fine = timedelta(seconds=7)
    assert refused(telemetry.stub.QueryMetrics, telemetry.request(step=fine)).kind == (
        "INVALID_ARGUMENT",
        "TOO_MANY_POINTS",
    )
    assert telemetry.query(step=MINUTE).series


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "Upper"}, "name"),
        ({"device_ids": [f"camera-{number}" for number in range(101)]}, "device_ids"),
        ({"device_ids": ["camera-1", "?"]}, "device_ids[1]"),
        ({"start_time": None}, "start_time"),
        ({"end_time": None}, "end_time"),
        ({"end_time": stamp(datetime(2021, 1, 1, tzinfo=UTC))}, "end_time"),
        ({"end_time": Timestamp(seconds=253_402_300_799), "step": 366 * DAY}, "end_time"),
        ({"step": None}, "step"),
        ({"step": timedelta(seconds=-1)}, "step"),
        ({"step": timedelta(seconds=1.5)}, "step"),
        ({"step": 367 * DAY}, "step"),
        ({"start_time": stamp(datetime(2021, 1, 1, tzinfo=UTC))}, "step"),
        ({"aggregation": 0}, "aggregation"),
        ({"aggregation": 99}, "aggregation"),
        ({"page_size": 101}, "page_size"),
    ],
)
def test_limits_of_queries_are_kept(telemetry: Telemetry, changes: dict[str, Any], field: str) -> None:
    refusal = refused(telemetry.stub.QueryMetrics, telemetry.request(**changes))
    assert (refusal.kind, refusal.field) == (("INVALID_ARGUMENT", "INVALID_FIELD"), field)


def test_metrics_are_listed_page_by_page(telemetry: Telemetry) -> None:
    for device_id in ("camera-2", DEVICE_ID):
        telemetry.send([metric_point(name=name) for name in ("b", "a")], device_id=device_id)
    request = telemetry_service_pb2.ListMetricsRequest(page_size=3)
    first = telemetry.stub.ListMetrics(request)
    request.page_token = first.next_page_token
    second = telemetry.stub.ListMetrics(request)
    found = [(one.name, one.device_id) for page in (first, second) for one in page.metrics]
    assert found == [("a", DEVICE_ID), ("a", "camera-2"), ("b", DEVICE_ID), ("b", "camera-2")]
    only = telemetry.stub.ListMetrics(telemetry_service_pb2.ListMetricsRequest(device_id=DEVICE_ID))
    assert [one.name for one in only.metrics] == ["a", "b"]


@pytest.mark.parametrize(
    ("made", "measured", "expected"),
    [
        # by how much the clocks of the package and of the record differ from ours; where the record belongs
        (timedelta(0), -HOUR, -HOUR),
        (-3 * DAY, -4 * DAY, -4 * DAY),  # offline for days
        (90 * DAY, 90 * DAY - HOUR, -HOUR),  # a clock of the future
        (datetime(1970, 1, 3, tzinfo=UTC), datetime(1970, 1, 2, 23, tzinfo=UTC), -HOUR),  # never set
        (timedelta(0), datetime(1970, 1, 1, 5, tzinfo=UTC), timedelta(0)),  # set in between
        (timedelta(0), 2 * DAY, timedelta(0)),  # set back in between
        (datetime(9999, 12, 31, 23, tzinfo=UTC), datetime(1970, 1, 2, tzinfo=UTC), timedelta(0)),
    ],
)
def test_records_of_wrong_clocks_find_their_place(
    telemetry: Telemetry, made: timedelta | datetime, measured: timedelta | datetime, expected: timedelta
) -> None:
    now = datetime.now(UTC)
    made_time = made if isinstance(made, datetime) else now + made
    moment = measured if isinstance(measured, datetime) else now + measured
    telemetry.send(
        [metric_point(measure_time=stamp(moment), value=4.0)],
        [log_record(log_time=stamp(moment))],
        create_time=made_time,
    )
    answer = telemetry.query(start_time=stamp(now - 9 * DAY), end_time=stamp(now + DAY), step=2 * MINUTE)
    (start, count, value), *others = told(answer.series[0])
    (record,) = telemetry.search()
    slack = timedelta(minutes=2)
    assert (count, value, others) == (1, 4.0, [])
    assert abs(start - (now + expected)) <= slack
    assert abs(record.log_time.ToDatetime(tzinfo=UTC) - (now + expected)) <= slack


def test_logs_are_searched_and_paged(telemetry: Telemetry) -> None:
    start = telemetry.hour
    telemetry.send(
        logs=[
            log_record(
                log_time=stamp(start + number * MINUTE),
                level=["INFO", "ERROR"][number % 2],
                message=f"try {number}",
            )
            for number in range(10)
        ]
    )
    assert [one.message for one in telemetry.search(minimum_level="ERROR", text="TRY")] == [
        f"try {number}" for number in (9, 7, 5, 3, 1)
    ]
    assert telemetry.search(device_id="camera-2") == []
    between = {"start_time": stamp(start + 3 * MINUTE), "end_time": stamp(start + 5 * MINUTE)}
    assert [one.message for one in telemetry.search(**between)] == ["try 4", "try 3"]
    request = telemetry_service_pb2.SearchLogsRequest(page_size=4)
    found = []
    while True:
        page = telemetry.stub.SearchLogs(request)
        found += [one.record.message for one in page.records]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert found == [f"try {number}" for number in range(9, -1, -1)]


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"device_id": "?"}, "device_id"),
        ({"minimum_level": "LOUD"}, "minimum_level"),
        ({"text": "x" * 201}, "text"),
        ({"text": "..."}, "text"),
        ({"text": " ".join(str(number) for number in range(11))}, "text"),
        ({"page_size": 501}, "page_size"),
        ({"start_time": Timestamp(seconds=9), "end_time": Timestamp(seconds=9)}, "end_time"),
    ],
)
def test_limits_of_searches_are_kept(telemetry: Telemetry, wanted: dict[str, Any], field: str) -> None:
    request = telemetry_service_pb2.SearchLogsRequest(**wanted)
    refusal = refused(telemetry.stub.SearchLogs, request)
    assert (refusal.kind, refusal.field) == (("INVALID_ARGUMENT", "INVALID_FIELD"), field)
