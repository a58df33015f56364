"""FeedbackService."""

import grpc

from tinymlops.v1 import feedback_service_pb2, feedback_service_pb2_grpc
from tinysphere.domain.clock import Clock
from tinysphere.drift.convert import feedback as convert_feedback
from tinysphere.drift.convert.backlogs import backlog_key, backlog_message, read_backlog_key
from tinysphere.drift.convert.reviews import read_feedback_filter
from tinysphere.drift.exchange import FeedbackExchange
from tinysphere.drift.pages import read_ordinal, without_vectors_if_large
from tinysphere.rpc.checks import require_count, require_device_id
from tinysphere.rpc.pages import cut, fitting
from tinysphere.rpc.paging import read_page
from tinysphere.storage.ports.backlogs import BacklogStore
from tinysphere.storage.ports.drift import DriftStore


class FeedbackServicer(feedback_service_pb2_grpc.FeedbackServiceServicer):
    """See `protos/tinymlops/v1/feedback_service.proto`."""

    def __init__(
        self, exchange: FeedbackExchange, store: DriftStore, backlogs: BacklogStore, clock: Clock
    ) -> None:
        self._exchange = exchange
        self._store = store
        self._backlogs = backlogs
        self._clock = clock

    def FetchFeedback(
        self, request: feedback_service_pb2.FetchFeedbackRequest, context: grpc.ServicerContext
    ) -> feedback_service_pb2.FetchFeedbackResponse:
        items, has_more = self._exchange.fetch(
            require_device_id("device_id", request.device_id),
            after_sequence=require_count("after_sequence", request.after_sequence),
            limit=convert_feedback.read_fetch_limit(request),
        )
        messages = fitting([convert_feedback.feedback_item(item) for item in items])
        return feedback_service_pb2.FetchFeedbackResponse(
            items=messages, has_more=has_more or len(messages) < len(items)
        )

    def AcknowledgeFeedback(
        self, request: feedback_service_pb2.AcknowledgeFeedbackRequest, context: grpc.ServicerContext
    ) -> feedback_service_pb2.AcknowledgeFeedbackResponse:
        answers = convert_feedback.read_acknowledgements(request, acknowledge_time=self._clock.now())
        items = self._exchange.acknowledge(require_device_id("device_id", request.device_id), answers)
        return feedback_service_pb2.AcknowledgeFeedbackResponse(
            items=without_vectors_if_large([convert_feedback.feedback_item(item) for item in items])
        )

    def ListFeedback(
        self, request: feedback_service_pb2.ListFeedbackRequest, context: grpc.ServicerContext
    ) -> feedback_service_pb2.ListFeedbackResponse:
        wanted = read_feedback_filter(request)
        filters = f"{wanted.device_id}/{wanted.drift_event_id}"
        page = read_page(request.page_size, request.page_token, filters=filters, key=(int,))
        entries = self._store.list_feedback(wanted, after=read_ordinal(page.after), limit=page.size + 1)
        messages, token = cut(
            entries,
            page.size,
            convert=lambda entry: convert_feedback.feedback_item(entry[1]),
            key=lambda entry: (entry[0],),
            filters=filters,
        )
        return feedback_service_pb2.ListFeedbackResponse(items=messages, next_page_token=token)

    def ListFeedbackBacklogs(
        self, request: feedback_service_pb2.ListFeedbackBacklogsRequest, context: grpc.ServicerContext
    ) -> feedback_service_pb2.ListFeedbackBacklogsResponse:
        page = read_page(request.page_size, request.page_token, filters="backlogs", key=(int, str))
        backlogs = self._backlogs.page(after=read_backlog_key(page.after), limit=page.size + 1)
        now = self._clock.now()
        messages, token = cut(
            backlogs,
            page.size,
            convert=lambda backlog: backlog_message(backlog, now=now),
            key=backlog_key,
            filters="backlogs",
        )
        return feedback_service_pb2.ListFeedbackBacklogsResponse(backlogs=messages, next_page_token=token)
