"""ReviewService."""

import grpc

from tinymlops.v1 import review_service_pb2, review_service_pb2_grpc
from tinysphere.drift.convert import queue as convert_queue
from tinysphere.drift.convert.review_settings import read_settings, settings_message
from tinysphere.drift.queue import ReviewQueue
from tinysphere.drift.review_settings import SettingsDesk
from tinysphere.storage.ports.review import ReviewStore


class ReviewServicer(review_service_pb2_grpc.ReviewServiceServicer):
    """See `protos/tinymlops/v1/review_service.proto`."""

    def __init__(self, queue: ReviewQueue, settings: SettingsDesk, store: ReviewStore) -> None:
        self._queue = queue
        self._settings = settings
        self._store = store

    def LeaseSamples(
        self, request: review_service_pb2.LeaseSamplesRequest, context: grpc.ServicerContext
    ) -> review_service_pb2.LeaseSamplesResponse:
        leases, open_sample_count = self._queue.lease(
            convert_queue.read_reviewer(request.reviewer),
            wanted=convert_queue.read_queue_filter(request),
            order=convert_queue.read_order(request),
            limit=convert_queue.read_lease_count(request),
        )
        return review_service_pb2.LeaseSamplesResponse(
            leases=map(convert_queue.sample_lease, leases), open_sample_count=open_sample_count
        )

    def ReleaseSamples(
        self, request: review_service_pb2.ReleaseSamplesRequest, context: grpc.ServicerContext
    ) -> review_service_pb2.ReleaseSamplesResponse:
        reviewer = convert_queue.read_reviewer(request.reviewer)
        sample_ids = convert_queue.read_released(request)
        released_count = self._queue.release(reviewer, sample_ids, skip=request.skip)
        return review_service_pb2.ReleaseSamplesResponse(released_count=released_count)

    def GetReviewSettings(
        self, request: review_service_pb2.GetReviewSettingsRequest, context: grpc.ServicerContext
    ) -> review_service_pb2.GetReviewSettingsResponse:
        settings = self._store.get_settings()
        return review_service_pb2.GetReviewSettingsResponse(settings=settings_message(settings))

    def UpdateReviewSettings(
        self, request: review_service_pb2.UpdateReviewSettingsRequest, context: grpc.ServicerContext
    ) -> review_service_pb2.UpdateReviewSettingsResponse:
        stored = self._settings.update(read_settings("settings", request.settings))
        return review_service_pb2.UpdateReviewSettingsResponse(settings=settings_message(stored))
