"""AdaptationService."""

import grpc

from tinymlops.v1 import adaptation_service_pb2, adaptation_service_pb2_grpc
from tinysphere.domain.clock import Clock
from tinysphere.drift.convert.adaptations import (
    adaptation_message,
    read_adaptation_filter,
    read_adaptations,
)
from tinysphere.drift.lineage import Lineage
from tinysphere.drift.pages import key_of, read_time_key
from tinysphere.rpc.pages import cut
from tinysphere.rpc.paging import read_page
from tinysphere.storage.ports.adaptations import AdaptationStore


class AdaptationServicer(adaptation_service_pb2_grpc.AdaptationServiceServicer):
    """See `protos/tinymlops/v1/adaptation_service.proto`."""

    def __init__(self, lineage: Lineage, store: AdaptationStore, clock: Clock) -> None:
        self._lineage = lineage
        self._store = store
        self._clock = clock

    def ReportAdaptations(
        self, request: adaptation_service_pb2.ReportAdaptationsRequest, context: grpc.ServicerContext
    ) -> adaptation_service_pb2.ReportAdaptationsResponse:
        reports = read_adaptations(request, receive_time=self._clock.now())
        created_count = self._lineage.report(reports)
        return adaptation_service_pb2.ReportAdaptationsResponse(created_count=created_count)

    def ListAdaptations(
        self, request: adaptation_service_pb2.ListAdaptationsRequest, context: grpc.ServicerContext
    ) -> adaptation_service_pb2.ListAdaptationsResponse:
        wanted = read_adaptation_filter(request)
        filters = f"{wanted.device_id}/{wanted.drift_event_id}"
        page = read_page(request.page_size, request.page_token, filters=filters, key=(int, str))
        found = self._store.page(wanted, after=read_time_key(page.after), limit=page.size + 1)
        messages, token = cut(
            found,
            page.size,
            convert=adaptation_message,
            key=lambda adaptation: key_of(adaptation.receive_time, adaptation.adaptation_id),
            filters=filters,
        )
        return adaptation_service_pb2.ListAdaptationsResponse(adaptations=messages, next_page_token=token)
