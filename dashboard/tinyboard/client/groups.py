"""Samples that look alike, asked for and judged over gRPC."""

from __future__ import annotations

import uuid

import grpc

from tinyboard.client import convert_review
from tinyboard.client.calls import Calls
from tinyboard.views.reviewing_records import GroupOutcomeView, GroupVerdictView, GroupView
from tinymlops.v1 import (
    drift_pb2,
    sample_group_service_pb2,
    sample_group_service_pb2_grpc,
)

GROUPS_PAGE_SIZE = 100


class GrpcGroups:
    """Speaks to SampleGroupService. Raises `HubError` from every method."""

    def __init__(self, calls: Calls, drift: grpc.Channel) -> None:
        self._calls = calls
        self._groups = sample_group_service_pb2_grpc.SampleGroupServiceStub(drift)

    def listed(
        self, *, drift_event_id: str = "", open_only: bool = False, minimum_count: int = 0, limit: int = 100
    ) -> tuple[GroupView, ...]:
        """The `limit` groups with most open samples."""
        request = sample_group_service_pb2.ListSampleGroupsRequest(
            page_size=min(limit, GROUPS_PAGE_SIZE),
            drift_event_id=drift_event_id,
            minimum_sample_count=minimum_count,
            open_only=open_only,
        )
        rows = self._calls.pages(self._groups.ListSampleGroups, request, "groups", limit)
        return tuple(map(convert_review.group_view, rows))

    def one(self, group_id: str) -> GroupView:
        """One group as it is now."""
        request = sample_group_service_pb2.GetSampleGroupRequest(group_id=group_id)
        return convert_review.group_view(self._calls.one(self._groups.GetSampleGroup, request).group)

    def judge(self, verdict: GroupVerdictView) -> GroupOutcomeView:
        """Gives one verdict on the open samples of a group; repeating the same one is harmless."""
        request = sample_group_service_pb2.SubmitGroupVerdictRequest(
            verdict=drift_pb2.Verdict(
                verdict_id=_verdict_id(verdict),
                reviewer=verdict.reviewer,
                decision=drift_pb2.Decision.Value(f"DECISION_{verdict.decision}"),
                label=verdict.label,
            ),
            group_id=verdict.group_id,
            revision=verdict.revision,
            excluded_sample_ids=verdict.excluded_sample_ids,
        )
        answer = self._calls.one(self._groups.SubmitGroupVerdict, request)
        return GroupOutcomeView(
            group=convert_review.group_view(answer.group),
            verdict_count=answer.verdict_count,
            judged_sample_count=answer.judged_sample_count,
            device_count=answer.device_count,
        )


def _verdict_id(verdict: GroupVerdictView) -> str:
    parts = (verdict.reviewer, verdict.group_id, verdict.decision, verdict.label, verdict.occasion)
    content = "/".join((*parts, str(verdict.revision), *verdict.excluded_sample_ids))
    return str(uuid.uuid5(uuid.NAMESPACE_URL, content))
