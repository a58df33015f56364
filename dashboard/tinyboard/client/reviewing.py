"""The queue of samples, labels, policy, agreement and audit trail, asked for over gRPC."""

from __future__ import annotations

from collections.abc import Sequence

import grpc

from tinyboard.client import convert, convert_review
from tinyboard.client.calls import MAX_ROWS, PAGE_SIZE, Calls
from tinyboard.views.records import SampleView
from tinyboard.views.reviewing_records import (
    AgreementView,
    AuditView,
    GivenView,
    HandView,
    LabelView,
    ReviewSettingsView,
)
from tinymlops.v1 import (
    drift_service_pb2,
    drift_service_pb2_grpc,
    review_pb2,
    review_service_pb2,
    review_service_pb2_grpc,
)


class GrpcReviewing:
    """Speaks to ReviewService. Raises `HubError` from every method."""

    def __init__(self, calls: Calls, drift: grpc.Channel) -> None:
        self._calls = calls
        self._review = review_service_pb2_grpc.ReviewServiceStub(drift)
        self._drift = drift_service_pb2_grpc.DriftServiceStub(drift)

    def lease(
        self, reviewer: str, count: int, *, order: str = "", device_id: str = "", drift_event_id: str = ""
    ) -> HandView:
        """Takes the next samples of the queue, and renews what the reviewer holds already."""
        request = review_service_pb2.LeaseSamplesRequest(
            reviewer=reviewer,
            sample_count=count,
            order=review_pb2.QueueOrder.Value(f"QUEUE_ORDER_{order or 'UNSPECIFIED'}"),
            device_id=device_id,
            drift_event_id=drift_event_id,
        )
        return convert_review.hand_view(self._calls.one(self._review.LeaseSamples, request))

    def release(self, reviewer: str, sample_ids: Sequence[str], *, skip: bool) -> None:
        """Gives samples back; skipped ones come last for this reviewer."""
        request = review_service_pb2.ReleaseSamplesRequest(
            reviewer=reviewer, sample_ids=sample_ids, skip=skip
        )
        self._calls.one(self._review.ReleaseSamples, request)

    def given(self, sample_id: str, reviewer: str) -> tuple[GivenView, ...]:
        """The verdicts on a sample that this reviewer may see, oldest first."""
        request = drift_service_pb2.ListVerdictsRequest(
            page_size=PAGE_SIZE, sample_id=sample_id, reviewer=reviewer
        )
        rows = self._calls.pages(self._drift.ListVerdicts, request, "verdicts")
        return tuple(map(convert_review.given_view, rows))

    def settings(self) -> ReviewSettingsView:
        """What reviewing follows."""
        request = review_service_pb2.GetReviewSettingsRequest()
        answer = self._calls.one(self._review.GetReviewSettings, request)
        return convert_review.settings_view(answer.settings)

    def change_settings(self, wanted: ReviewSettingsView) -> ReviewSettingsView:
        """Changes what reviewing follows, if nobody did since ``wanted.revision``."""
        request = review_service_pb2.UpdateReviewSettingsRequest(
            settings=convert_review.settings_message(wanted)
        )
        answer = self._calls.one(self._review.UpdateReviewSettings, request)
        return convert_review.settings_view(answer.settings)

    def labels(self) -> tuple[LabelView, ...]:
        """The catalogue in the order of names."""
        request = review_service_pb2.ListLabelsRequest(page_size=PAGE_SIZE)
        rows = self._calls.pages(self._review.ListLabels, request, "labels")
        return tuple(map(convert_review.label_view, rows))

    def add_label(self, name: str, *, reviewer: str) -> LabelView:
        """Adds a label; a known one is returned as it is."""
        request = review_service_pb2.AddLabelRequest(name=name, reviewer=reviewer)
        return convert_review.label_view(self._calls.one(self._review.AddLabel, request).label)

    def rename_label(self, name: str, new_name: str, *, reviewer: str) -> int:
        """Renames a label, or merges it into one that exists; returns how many judgements changed."""
        request = review_service_pb2.RenameLabelRequest(name=name, new_name=new_name, reviewer=reviewer)
        return self._calls.one(self._review.RenameLabel, request).changed_sample_count

    def disagreements(self, *, limit: int = MAX_ROWS) -> tuple[SampleView, ...]:
        """Samples on which reviewers disagree and nobody decided."""
        request = review_service_pb2.ListDisagreementsRequest(page_size=min(limit, PAGE_SIZE))
        rows = self._calls.pages(self._review.ListDisagreements, request, "samples", limit)
        return tuple(map(convert.sample_view, rows))

    def agreement(self) -> AgreementView:
        """How far reviewers agree, over all time."""
        answer = self._calls.one(self._review.GetAgreement, review_service_pb2.GetAgreementRequest())
        return convert_review.agreement_view(answer.agreement)

    def audit(self, *, subject: str = "", limit: int = MAX_ROWS) -> tuple[AuditView, ...]:
        """The newest `limit` records of what was done, newest first."""
        request = review_service_pb2.ListAuditRecordsRequest(page_size=min(limit, PAGE_SIZE), subject=subject)
        rows = self._calls.pages(self._review.ListAuditRecords, request, "records", limit)
        return tuple(map(convert_review.audit_view, rows))
