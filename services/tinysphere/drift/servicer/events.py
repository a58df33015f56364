"""DriftService."""

from collections.abc import Iterator

import grpc

from tinymlops.v1 import (
    drift_pb2,
    drift_service_pb2,
    drift_service_pb2_grpc,
)
from tinysphere.domain.clock import Clock
from tinysphere.drift.convert import events, replies, reports, reviews
from tinysphere.drift.convert.limits import MAX_COUNTS
from tinysphere.drift.evidence import Evidence
from tinysphere.drift.grouping.budget import label_budget
from tinysphere.drift.pages import key_of, read_ordinal, read_time_key, without_vectors_if_large
from tinysphere.drift.review import Review
from tinysphere.rpc.nouns import enum_number
from tinysphere.rpc.pages import cut
from tinysphere.rpc.paging import read_page
from tinysphere.storage.ports.drift import DriftStore
from tinysphere.storage.ports.sample_groups import SampleGroupStore
from tinysphere.storage.ports.statistics import StatisticsStore


class DriftServicer(drift_service_pb2_grpc.DriftServiceServicer):
    """See `protos/tinymlops/v1/drift_service.proto`."""

    def __init__(
        self,
        evidence: Evidence,
        review: Review,
        store: DriftStore,
        groups: SampleGroupStore,
        statistics: StatisticsStore,
        clock: Clock,
    ) -> None:
        self._evidence = evidence
        self._review = review
        self._store = store
        self._groups = groups
        self._statistics = statistics
        self._clock = clock

    def ReportDriftEvents(
        self, request: drift_service_pb2.ReportDriftEventsRequest, context: grpc.ServicerContext
    ) -> drift_service_pb2.ReportDriftEventsResponse:
        reported = reports.read_events(request, receive_time=self._clock.now())
        created_count = self._evidence.report_events(reported)
        return drift_service_pb2.ReportDriftEventsResponse(created_count=created_count)

    def ReportSamples(
        self, request: drift_service_pb2.ReportSamplesRequest, context: grpc.ServicerContext
    ) -> drift_service_pb2.ReportSamplesResponse:
        created_count = self._evidence.report_samples(reports.read_samples(request))
        return drift_service_pb2.ReportSamplesResponse(created_count=created_count)

    def ListDriftEvents(
        self, request: drift_service_pb2.ListDriftEventsRequest, context: grpc.ServicerContext
    ) -> drift_service_pb2.ListDriftEventsResponse:
        wanted = events.read_event_filter(request)
        filters = events.name_filter(wanted)
        page = read_page(request.page_size, request.page_token, filters=filters, key=(int, str))
        found = self._store.list_events(wanted, after=read_time_key(page.after), limit=page.size + 1)
        messages, token = cut(
            found,
            page.size,
            convert=replies.drift_event,
            key=lambda event: key_of(event.receive_time, event.drift_event_id),
            filters=filters,
        )
        return drift_service_pb2.ListDriftEventsResponse(drift_events=messages, next_page_token=token)

    def GetDriftEvent(
        self, request: drift_service_pb2.GetDriftEventRequest, context: grpc.ServicerContext
    ) -> drift_service_pb2.GetDriftEventResponse:
        event = self._store.get_event(reviews.read_lookup("drift_event_id", request.drift_event_id))
        transitions = self._store.list_transitions(event.drift_event_id)
        budget = label_budget(event, self._groups.open_counts(event.drift_event_id))
        return drift_service_pb2.GetDriftEventResponse(
            drift_event=replies.drift_event(event),
            transitions=map(replies.transition, transitions),
            label_budget=replies.label_budget(budget),
        )

    def ListSamples(
        self, request: drift_service_pb2.ListSamplesRequest, context: grpc.ServicerContext
    ) -> drift_service_pb2.ListSamplesResponse:
        wanted = reviews.read_sample_filter(request)
        filters = f"{wanted.drift_event_id}/{wanted.device_id}/{wanted.group_id}/{wanted.state}"
        page = read_page(request.page_size, request.page_token, filters=filters, key=(int, str))
        samples = self._store.list_samples(wanted, after=read_time_key(page.after), limit=page.size + 1)
        messages, token = cut(
            samples,
            page.size,
            convert=replies.sample,
            key=lambda sample: key_of(sample.capture_time, sample.sample_id),
            filters=filters,
        )
        return drift_service_pb2.ListSamplesResponse(samples=messages, next_page_token=token)

    def GetSampleContent(
        self, request: drift_service_pb2.GetSampleContentRequest, context: grpc.ServicerContext
    ) -> Iterator[drift_service_pb2.GetSampleContentResponse]:
        image, pieces = self._evidence.read_image(reviews.read_lookup("sample_id", request.sample_id))
        image_format = enum_number(image.format, drift_pb2.ImageFormat)
        for piece in pieces:
            yield drift_service_pb2.GetSampleContentResponse(data=piece, image_format=image_format)

    def SubmitVerdicts(
        self, request: drift_service_pb2.SubmitVerdictsRequest, context: grpc.ServicerContext
    ) -> drift_service_pb2.SubmitVerdictsResponse:
        verdicts = reviews.read_verdicts(request, submit_time=self._clock.now())
        samples = self._review.submit(verdicts)
        return drift_service_pb2.SubmitVerdictsResponse(
            samples=without_vectors_if_large([replies.sample(sample) for sample in samples])
        )

    def ListVerdicts(
        self, request: drift_service_pb2.ListVerdictsRequest, context: grpc.ServicerContext
    ) -> drift_service_pb2.ListVerdictsResponse:
        wanted = reviews.read_verdict_filter(request)
        filters = f"{wanted.sample_id}/{wanted.drift_event_id}/{wanted.reader}"
        page = read_page(request.page_size, request.page_token, filters=filters, key=(int,))
        entries = self._store.list_verdicts(wanted, after=read_ordinal(page.after), limit=page.size + 1)
        messages, token = cut(
            entries,
            page.size,
            convert=lambda entry: replies.verdict(entry[1]),
            key=lambda entry: (entry[0],),
            filters=filters,
        )
        return drift_service_pb2.ListVerdictsResponse(verdicts=messages, next_page_token=token)

    def ResolveDriftEvent(
        self, request: drift_service_pb2.ResolveDriftEventRequest, context: grpc.ServicerContext
    ) -> drift_service_pb2.ResolveDriftEventResponse:
        drift_event_id = reviews.read_lookup("drift_event_id", request.drift_event_id)
        reviewer, reason = reviews.read_change(request)
        event = self._review.resolve(drift_event_id, reviewer=reviewer, reason=reason)
        return drift_service_pb2.ResolveDriftEventResponse(drift_event=replies.drift_event(event))

    def ReopenDriftEvent(
        self, request: drift_service_pb2.ReopenDriftEventRequest, context: grpc.ServicerContext
    ) -> drift_service_pb2.ReopenDriftEventResponse:
        drift_event_id = reviews.read_lookup("drift_event_id", request.drift_event_id)
        reviewer, reason = reviews.read_change(request)
        event = self._review.reopen(drift_event_id, reviewer=reviewer, reason=reason)
        return drift_service_pb2.ReopenDriftEventResponse(drift_event=replies.drift_event(event))

    def GetDriftStatistics(
        self, request: drift_service_pb2.GetDriftStatisticsRequest, context: grpc.ServicerContext
    ) -> drift_service_pb2.GetDriftStatisticsResponse:
        wanted = events.read_count_request(request)
        counts = self._statistics.count_events(wanted, limit=MAX_COUNTS + 1)
        return drift_service_pb2.GetDriftStatisticsResponse(
            counts=map(events.drift_count, counts[:MAX_COUNTS]), truncated=len(counts) > MAX_COUNTS
        )
