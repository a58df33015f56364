"""TelemetryService."""

from datetime import datetime

import grpc

from tinymlops.v1 import telemetry_service_pb2, telemetry_service_pb2_grpc
from tinysphere.domain.moments import microseconds, moment_of
from tinysphere.domain.telemetry import DeviceLogRecord
from tinysphere.ingestion.convert.telemetry import (
    log_message,
    metric_answer,
    metric_message,
    read_log_filter,
    read_metric_request,
)
from tinysphere.ingestion.telemetry import Telemetry
from tinysphere.rpc.checks import require_device_id
from tinysphere.rpc.pages import cut
from tinysphere.rpc.paging import Key, next_token, read_page

DEFAULT_SERIES, MAX_SERIES = 20, 100


class TelemetryServicer(telemetry_service_pb2_grpc.TelemetryServiceServicer):
    """See telemetry_service.proto."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def ListMetrics(
        self, request: telemetry_service_pb2.ListMetricsRequest, context: grpc.ServicerContext
    ) -> telemetry_service_pb2.ListMetricsResponse:
        """Metrics by name and device."""
        device_id = require_device_id("device_id", request.device_id) if request.device_id else None
        filters = repr(device_id)
        page = read_page(request.page_size, request.page_token, filters=filters, key=(str, str))
        after = None if page.after is None else (str(page.after[0]), str(page.after[1]))
        found = self._telemetry.metrics(device_id, after=after, limit=page.size + 1)
        metrics, token = cut(
            found,
            page.size,
            convert=metric_message,
            key=lambda metric: (metric.name, metric.device_id),
            filters=filters,
        )
        return telemetry_service_pb2.ListMetricsResponse(metrics=metrics, next_page_token=token)

    def QueryMetrics(
        self, request: telemetry_service_pb2.QueryMetricsRequest, context: grpc.ServicerContext
    ) -> telemetry_service_pb2.QueryMetricsResponse:
        """One metric of several devices over time."""
        wanted = read_metric_request(request)
        filters = repr(wanted)
        page = read_page(
            request.page_size,
            request.page_token,
            filters=filters,
            default=DEFAULT_SERIES,
            maximum=MAX_SERIES,
            key=(str,),
        )
        after = None if page.after is None else str(page.after[0])
        answer = self._telemetry.query(wanted, after=after, limit=page.size)
        last = answer.series[-1].metric.device_id if answer.series else ""
        return metric_answer(answer, next_token((last,), filters) if answer.has_more else "")

    def SearchLogs(
        self, request: telemetry_service_pb2.SearchLogsRequest, context: grpc.ServicerContext
    ) -> telemetry_service_pb2.SearchLogsResponse:
        """Log records, newest first."""
        wanted = read_log_filter(request)
        filters = repr(wanted)
        page = read_page(request.page_size, request.page_token, filters=filters, key=(int, int))
        found = self._telemetry.logs(wanted, after=_log_key(page.after), limit=page.size + 1)
        records, token = cut(found, page.size, convert=log_message, key=_key_of, filters=filters)
        return telemetry_service_pb2.SearchLogsResponse(records=records, next_page_token=token)


def _key_of(one: DeviceLogRecord) -> Key:
    return microseconds(one.record.log_time), one.log_id


def _log_key(key: Key | None) -> tuple[datetime, int] | None:
    return None if key is None else (moment_of(int(key[0])), int(key[1]))
