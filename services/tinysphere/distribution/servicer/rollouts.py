"""RolloutService on the wire: convert in, one call, convert out."""

from collections.abc import Iterator

import grpc

from tinymlops.v1 import rollout_pb2, rollout_service_pb2, rollout_service_pb2_grpc
from tinysphere.distribution.artifacts import Artifacts
from tinysphere.distribution.convert import plans
from tinysphere.distribution.convert import rollouts as convert
from tinysphere.distribution.operations import Operations
from tinysphere.distribution.rules import Verb
from tinysphere.distribution.servicer.pages import after_key
from tinysphere.distribution.updates import Updates
from tinysphere.rpc import checks, nouns
from tinysphere.rpc.pages import cut
from tinysphere.rpc.paging import read_page

MAX_OFFSET = 2**63 - 1

Context = grpc.ServicerContext


class RolloutServicer(rollout_service_pb2_grpc.RolloutServiceServicer):
    """See protos/tinymlops/v1/rollout_service.proto."""

    def __init__(self, operations: Operations, updates: Updates, artifacts: Artifacts) -> None:
        self._operations = operations
        self._updates = updates
        self._artifacts = artifacts

    def CreateRollout(
        self, request: rollout_service_pb2.CreateRolloutRequest, context: Context
    ) -> rollout_service_pb2.CreateRolloutResponse:
        made = self._operations.create(convert.read_plan(request.rollout))
        return rollout_service_pb2.CreateRolloutResponse(rollout=convert.rollout_message(made))

    def ApproveRollout(
        self, request: rollout_service_pb2.ApproveRolloutRequest, context: Context
    ) -> rollout_service_pb2.ApproveRolloutResponse:
        approved = self._operations.approve(
            checks.require_id("rollout_id", request.rollout_id),
            checks.require_range("wave_index", request.wave_index, 0, plans.MAX_WAVES - 1),
            operator=checks.require_text("operator", request.operator, 1, convert.MAX_OPERATOR_CHARACTERS),
        )
        return rollout_service_pb2.ApproveRolloutResponse(rollout=convert.rollout_message(approved))

    def StartRollout(
        self, request: rollout_service_pb2.StartRolloutRequest, context: Context
    ) -> rollout_service_pb2.StartRolloutResponse:
        changed = self._change(request.rollout_id, Verb.START, request.operator)
        return rollout_service_pb2.StartRolloutResponse(rollout=changed)

    def PauseRollout(
        self, request: rollout_service_pb2.PauseRolloutRequest, context: Context
    ) -> rollout_service_pb2.PauseRolloutResponse:
        changed = self._change(request.rollout_id, Verb.PAUSE, request.operator)
        return rollout_service_pb2.PauseRolloutResponse(rollout=changed)

    def ResumeRollout(
        self, request: rollout_service_pb2.ResumeRolloutRequest, context: Context
    ) -> rollout_service_pb2.ResumeRolloutResponse:
        changed = self._change(request.rollout_id, Verb.RESUME, request.operator)
        return rollout_service_pb2.ResumeRolloutResponse(rollout=changed)

    def AbortRollout(
        self, request: rollout_service_pb2.AbortRolloutRequest, context: Context
    ) -> rollout_service_pb2.AbortRolloutResponse:
        changed = self._change(request.rollout_id, Verb.ABORT, request.operator)
        return rollout_service_pb2.AbortRolloutResponse(rollout=changed)

    def RetryRollout(
        self, request: rollout_service_pb2.RetryRolloutRequest, context: Context
    ) -> rollout_service_pb2.RetryRolloutResponse:
        changed, device_count = self._operations.retry(
            checks.require_id("rollout_id", request.rollout_id),
            operator=convert.read_operator(request.operator),
        )
        return rollout_service_pb2.RetryRolloutResponse(
            rollout=convert.rollout_message(changed), device_count=device_count
        )

    def GetRollout(
        self, request: rollout_service_pb2.GetRolloutRequest, context: Context
    ) -> rollout_service_pb2.GetRolloutResponse:
        found = self._operations.rollout(checks.require_id("rollout_id", request.rollout_id))
        return rollout_service_pb2.GetRolloutResponse(rollout=convert.rollout_message(found))

    def ListRollouts(
        self, request: rollout_service_pb2.ListRolloutsRequest, context: Context
    ) -> rollout_service_pb2.ListRolloutsResponse:
        filters = "ListRollouts"
        page = read_page(request.page_size, request.page_token, filters=filters, key=[int])
        found = self._operations.rollouts(after=after_key(page, int), limit=page.size + 1)
        messages, token = cut(
            found,
            page.size,
            convert=lambda keyed: convert.rollout_message(keyed[1]),
            key=lambda keyed: (keyed[0],),
            filters=filters,
        )
        return rollout_service_pb2.ListRolloutsResponse(rollouts=messages, next_page_token=token)

    def ListDeployments(
        self, request: rollout_service_pb2.ListDeploymentsRequest, context: Context
    ) -> rollout_service_pb2.ListDeploymentsResponse:
        rollout_id = checks.require_id("rollout_id", request.rollout_id)
        filters = f"ListDeployments {rollout_id}"
        page = read_page(request.page_size, request.page_token, filters=filters, key=[str])
        found = self._operations.deployments(rollout_id, after=after_key(page, str), limit=page.size + 1)
        messages, token = cut(
            found,
            page.size,
            convert=convert.deployment_message,
            key=lambda deployment: (deployment.device_id,),
            filters=filters,
        )
        return rollout_service_pb2.ListDeploymentsResponse(deployments=messages, next_page_token=token)

    def ListRolloutDecisions(
        self, request: rollout_service_pb2.ListRolloutDecisionsRequest, context: Context
    ) -> rollout_service_pb2.ListRolloutDecisionsResponse:
        rollout_id = checks.require_id("rollout_id", request.rollout_id)
        filters = f"ListRolloutDecisions {rollout_id}"
        page = read_page(request.page_size, request.page_token, filters=filters, key=[int])
        found = self._operations.decisions(rollout_id, after=after_key(page, int), limit=page.size + 1)
        messages, token = cut(
            found,
            page.size,
            convert=lambda keyed: convert.decision_message(*keyed),
            key=lambda keyed: (keyed[0],),
            filters=filters,
        )
        return rollout_service_pb2.ListRolloutDecisionsResponse(decisions=messages, next_page_token=token)

    def CheckUpdate(
        self, request: rollout_service_pb2.CheckUpdateRequest, context: Context
    ) -> rollout_service_pb2.CheckUpdateResponse:
        device_id = checks.require_device_id("device_id", request.device_id)
        running = nouns.read_model_reference("running_model", request.running_model)
        return convert.answer_message(self._updates.check(device_id, running))

    def DownloadArtifact(
        self, request: rollout_service_pb2.DownloadArtifactRequest, context: Context
    ) -> Iterator[rollout_service_pb2.DownloadArtifactResponse]:
        sha256 = checks.require_sha256("sha256", request.sha256)
        offset = checks.require_range("offset", request.offset, 0, MAX_OFFSET)
        size_bytes, pieces = self._artifacts.open(sha256, offset)
        header = rollout_service_pb2.ArtifactHeader(sha256=sha256, size_bytes=size_bytes)
        yield rollout_service_pb2.DownloadArtifactResponse(header=header)
        for piece in pieces:
            yield rollout_service_pb2.DownloadArtifactResponse(data=piece)

    def ReportDeployment(
        self, request: rollout_service_pb2.ReportDeploymentRequest, context: Context
    ) -> rollout_service_pb2.ReportDeploymentResponse:
        stored = self._updates.report(convert.read_report(request.deployment))
        return rollout_service_pb2.ReportDeploymentResponse(deployment=convert.deployment_message(stored))

    def _change(self, rollout_id: str, verb: Verb, operator: str) -> rollout_pb2.Rollout:
        changed = self._operations.change(
            checks.require_id("rollout_id", rollout_id), verb, operator=convert.read_operator(operator)
        )
        return convert.rollout_message(changed)
