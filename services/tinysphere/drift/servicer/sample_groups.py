"""SampleGroupService."""

import grpc

from tinymlops.v1 import sample_group_service_pb2, sample_group_service_pb2_grpc
from tinysphere.domain.clock import Clock
from tinysphere.drift.convert import sample_groups as convert
from tinysphere.drift.convert.reviews import read_lookup
from tinysphere.drift.grouping.review import GroupReview
from tinysphere.rpc.checks import require_count
from tinysphere.rpc.pages import cut
from tinysphere.rpc.paging import Key, read_page
from tinysphere.storage.ports.sample_groups import GroupKey, SampleGroupStore

DEFAULT_PAGE_SIZE = 24
MAX_PAGE_SIZE = 100


class SampleGroupServicer(sample_group_service_pb2_grpc.SampleGroupServiceServicer):
    """See `protos/tinymlops/v1/sample_group_service.proto`."""

    def __init__(self, review: GroupReview, store: SampleGroupStore, clock: Clock) -> None:
        self._review = review
        self._store = store
        self._clock = clock

    def ListSampleGroups(
        self, request: sample_group_service_pb2.ListSampleGroupsRequest, context: grpc.ServicerContext
    ) -> sample_group_service_pb2.ListSampleGroupsResponse:
        wanted = convert.read_group_filter(request)
        filters = str(wanted)
        page = read_page(
            request.page_size,
            request.page_token,
            filters=filters,
            default=DEFAULT_PAGE_SIZE,
            maximum=MAX_PAGE_SIZE,
            key=(int, str),
        )
        groups = self._store.list_groups(wanted, after=_read_key(page.after), limit=page.size + 1)
        messages, token = cut(
            groups,
            page.size,
            convert=convert.sample_group,
            key=lambda group: (group.open_sample_count, group.group_id),
            filters=filters,
        )
        return sample_group_service_pb2.ListSampleGroupsResponse(groups=messages, next_page_token=token)

    def GetSampleGroup(
        self, request: sample_group_service_pb2.GetSampleGroupRequest, context: grpc.ServicerContext
    ) -> sample_group_service_pb2.GetSampleGroupResponse:
        group = self._store.get_group(read_lookup("group_id", request.group_id))
        return sample_group_service_pb2.GetSampleGroupResponse(group=convert.sample_group(group))

    def SubmitGroupVerdict(
        self, request: sample_group_service_pb2.SubmitGroupVerdictRequest, context: grpc.ServicerContext
    ) -> sample_group_service_pb2.SubmitGroupVerdictResponse:
        group, outcome = self._review.submit(
            read_lookup("group_id", request.group_id),
            convert.read_group_verdict(request, submit_time=self._clock.now()),
            revision=require_count("revision", request.revision),
            excluded=convert.read_excluded(request),
        )
        return convert.verdict_response(group, outcome)


def _read_key(after: Key | None) -> GroupKey | None:
    return None if after is None else (int(after[0]), str(after[1]))
