"""What devices measured and logged, asked for over gRPC."""

from __future__ import annotations

from datetime import datetime, timedelta

import grpc
from google.protobuf.duration_pb2 import Duration

from tinyboard.client import convert
from tinyboard.client.calls import MAX_ROWS, PAGE_SIZE, Calls
from tinyboard.views.records import LogView, SeriesView
from tinymlops.v1 import telemetry_pb2, telemetry_service_pb2, telemetry_service_pb2_grpc


class TelemetryHub:
    """The part of the hub that speaks to TelemetryService. Raises `HubError` from every method."""

    def __init__(self, calls: Calls, ingestion: grpc.Channel) -> None:
        self._telemetry_calls = calls
        self._telemetry = telemetry_service_pb2_grpc.TelemetryServiceStub(ingestion)

    def metric_names(self, device_id: str) -> tuple[str, ...]:
        """The metrics that a device has sent, by name."""
        request = telemetry_service_pb2.ListMetricsRequest(page_size=PAGE_SIZE, device_id=device_id)
        rows = self._telemetry_calls.pages(self._telemetry.ListMetrics, request, "metrics")
        return tuple(row.name for row in rows)

    def series(
        self, device_id: str, name: str, *, start_time: datetime, end_time: datetime, step: timedelta
    ) -> SeriesView:
        """The mean of a metric in steps; where nothing was measured there is nothing."""
        request = telemetry_service_pb2.QueryMetricsRequest(
            name=name,
            device_ids=[device_id],
            start_time=convert.stamp(start_time),
            end_time=convert.stamp(end_time),
            step=Duration(seconds=int(step.total_seconds())),
            aggregation=telemetry_pb2.METRIC_AGGREGATION_MEAN,
        )
        answer = self._telemetry_calls.one(self._telemetry.QueryMetrics, request)
        return convert.series_view(name, answer.series)

    def logs(
        self, *, device_id: str = "", minimum_level: str = "", text: str = "", limit: int = MAX_ROWS
    ) -> tuple[LogView, ...]:
        """The newest `limit` lines of logs, newest first; the filters narrow them."""
        request = telemetry_service_pb2.SearchLogsRequest(
            page_size=min(limit, PAGE_SIZE), device_id=device_id, minimum_level=minimum_level, text=text
        )
        rows = self._telemetry_calls.pages(self._telemetry.SearchLogs, request, "records", limit)
        return tuple(map(convert.log_view, rows))
