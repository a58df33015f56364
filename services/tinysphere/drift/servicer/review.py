"""ReviewService."""

import grpc

from tinymlops.v1 import review_service_pb2, review_service_pb2_grpc
from tinysphere.drift.convert.review_settings import read_settings, settings_message
from tinysphere.drift.review_settings import SettingsDesk
from tinysphere.storage.ports.review import ReviewStore


class ReviewServicer(review_service_pb2_grpc.ReviewServiceServicer):
    """See `protos/tinymlops/v1/review_service.proto`."""

    def __init__(self, settings: SettingsDesk, store: ReviewStore) -> None:
        self._settings = settings
        self._store = store

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
