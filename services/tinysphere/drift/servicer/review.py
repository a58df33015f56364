"""ReviewService."""

import grpc

from tinymlops.v1 import review_service_pb2, review_service_pb2_grpc
from tinysphere.domain.moments import EPOCH, microseconds, moment_of
from tinysphere.drift.agreement import MAX_VERDICTS, measure
from tinysphere.drift.catalogue import Catalogue
from tinysphere.drift.convert import queue as convert_queue
from tinysphere.drift.convert import reviewing
from tinysphere.drift.convert.labels import label_message, require_label
from tinysphere.drift.convert.review_settings import read_settings, settings_message
from tinysphere.drift.pages import key_of, read_time_key
from tinysphere.drift.queue import ReviewQueue
from tinysphere.drift.review_settings import SettingsDesk
from tinysphere.rpc.checks import optional_timestamp
from tinysphere.rpc.pages import cut
from tinysphere.rpc.paging import read_page
from tinysphere.storage.ports.review import ReviewStore


class ReviewServicer(review_service_pb2_grpc.ReviewServiceServicer):
    """See `protos/tinymlops/v1/review_service.proto`."""

    def __init__(
        self, queue: ReviewQueue, settings: SettingsDesk, catalogue: Catalogue, store: ReviewStore
    ) -> None:
        self._queue = queue
        self._settings = settings
        self._catalogue = catalogue
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

    def ListDisagreements(
        self, request: review_service_pb2.ListDisagreementsRequest, context: grpc.ServicerContext
    ) -> review_service_pb2.ListDisagreementsResponse:
        page = read_page(request.page_size, request.page_token, filters="disagreements", key=(int, str))
        samples = self._store.list_disagreements(after=read_time_key(page.after), limit=page.size + 1)
        messages, token = cut(
            samples,
            page.size,
            convert=reviewing.disagreement,
            key=lambda sample: key_of(sample.disagree_time or EPOCH, sample.sample_id),
            filters="disagreements",
        )
        return review_service_pb2.ListDisagreementsResponse(samples=messages, next_page_token=token)

    def GetAgreement(
        self, request: review_service_pb2.GetAgreementRequest, context: grpc.ServicerContext
    ) -> review_service_pb2.GetAgreementResponse:
        ratings = self._store.ratings(
            after_time=optional_timestamp("after_time", request.after_time),
            before_time=optional_timestamp("before_time", request.before_time),
            limit=MAX_VERDICTS,
        )
        message = reviewing.agreement_message(measure(ratings))
        return review_service_pb2.GetAgreementResponse(agreement=message)

    def ListLabels(
        self, request: review_service_pb2.ListLabelsRequest, context: grpc.ServicerContext
    ) -> review_service_pb2.ListLabelsResponse:
        page = read_page(request.page_size, request.page_token, filters="labels", key=(str,))
        after = None if page.after is None else str(page.after[0])
        labels = self._store.list_labels(after=after, limit=page.size + 1)
        messages, token = cut(
            labels, page.size, convert=label_message, key=lambda label: (label.name,), filters="labels"
        )
        return review_service_pb2.ListLabelsResponse(labels=messages, next_page_token=token)

    def AddLabel(
        self, request: review_service_pb2.AddLabelRequest, context: grpc.ServicerContext
    ) -> review_service_pb2.AddLabelResponse:
        name, reviewer = require_label("name", request.name), convert_queue.read_reviewer(request.reviewer)
        label = self._catalogue.add(name, reviewer=reviewer)
        return review_service_pb2.AddLabelResponse(label=label_message(label))

    def RenameLabel(
        self, request: review_service_pb2.RenameLabelRequest, context: grpc.ServicerContext
    ) -> review_service_pb2.RenameLabelResponse:
        label, changed_sample_count = self._catalogue.rename(
            require_label("name", request.name),
            require_label("new_name", request.new_name),
            reviewer=convert_queue.read_reviewer(request.reviewer),
        )
        return review_service_pb2.RenameLabelResponse(
            label=label_message(label), changed_sample_count=changed_sample_count
        )

    def ListAuditRecords(
        self, request: review_service_pb2.ListAuditRecordsRequest, context: grpc.ServicerContext
    ) -> review_service_pb2.ListAuditRecordsResponse:
        wanted = reviewing.read_audit_filter(request)
        filters = f"{wanted.after_time}/{wanted.before_time}/{wanted.subject}"
        page = read_page(request.page_size, request.page_token, filters=filters, key=(int, int))
        after = None if page.after is None else (moment_of(int(page.after[0])), int(page.after[1]))
        entries = self._store.list_audit(wanted, after=after, limit=page.size + 1)
        messages, token = cut(
            entries,
            page.size,
            convert=lambda entry: reviewing.audit_record(*entry),
            key=lambda entry: (microseconds(entry[1].audit_time), entry[0]),
            filters=filters,
        )
        return review_service_pb2.ListAuditRecordsResponse(records=messages, next_page_token=token)
