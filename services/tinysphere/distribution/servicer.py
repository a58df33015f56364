"""ModelService and RolloutService on the wire: convert in, one call, convert out."""

from collections.abc import Iterator
from typing import TypeVar

import grpc

from tinymlops.v1 import (
    model_service_pb2,
    model_service_pb2_grpc,
    rollout_pb2,
    rollout_service_pb2,
    rollout_service_pb2_grpc,
)
from tinysphere.distribution import convert
from tinysphere.distribution.artifacts import Artifacts
from tinysphere.distribution.catalogue import Catalogue
from tinysphere.distribution.operations import Operations
from tinysphere.distribution.publishing import Publisher
from tinysphere.distribution.rules import Verb
from tinysphere.distribution.updates import Updates
from tinysphere.errors import InvalidFieldError
from tinysphere.rpc import checks, nouns
from tinysphere.rpc.pages import cut
from tinysphere.rpc.paging import Page, read_page

MODEL_SERVICE = "tinymlops.v1.ModelService"
ROLLOUT_SERVICE = "tinymlops.v1.RolloutService"
MAX_PIECE_BYTES = 1024 * 1024
MAX_OFFSET = 2**63 - 1

Context = grpc.ServicerContext
PartT = TypeVar("PartT", str, int)


class ModelServicer(model_service_pb2_grpc.ModelServiceServicer):
    """See protos/tinymlops/v1/model_service.proto."""

    def __init__(self, publisher: Publisher, catalogue: Catalogue) -> None:
        self._publisher = publisher
        self._catalogue = catalogue

    def PublishModelVersion(
        self, request_iterator: Iterator[model_service_pb2.PublishModelVersionRequest], context: Context
    ) -> model_service_pb2.PublishModelVersionResponse:
        announced = convert.read_announcement(_header(request_iterator))
        published = self._publisher.publish(announced, _pieces(request_iterator))
        return model_service_pb2.PublishModelVersionResponse(
            model_version=convert.version_message(self._catalogue.decorated(published))
        )

    def ListModels(
        self, request: model_service_pb2.ListModelsRequest, context: Context
    ) -> model_service_pb2.ListModelsResponse:
        filters = "ListModels"
        page = read_page(request.page_size, request.page_token, filters=filters, key=[str])
        found = self._catalogue.latest_versions(after=_after(page, str), limit=page.size + 1)
        messages, token = cut(
            found,
            page.size,
            convert=convert.version_message,
            key=lambda version: (version.model.model_name,),
            filters=filters,
        )
        return model_service_pb2.ListModelsResponse(latest_versions=messages, next_page_token=token)

    def ListModelVersions(
        self, request: model_service_pb2.ListModelVersionsRequest, context: Context
    ) -> model_service_pb2.ListModelVersionsResponse:
        name = convert.read_model_name("model_name", request.model_name)
        filters = f"ListModelVersions {name}"
        page = read_page(request.page_size, request.page_token, filters=filters, key=[int])
        found = self._catalogue.versions(name, after=_after(page, int), limit=page.size + 1)
        messages, token = cut(
            found,
            page.size,
            convert=convert.version_message,
            key=lambda version: (version.model.version,),
            filters=filters,
        )
        return model_service_pb2.ListModelVersionsResponse(model_versions=messages, next_page_token=token)

    def GetModelVersion(
        self, request: model_service_pb2.GetModelVersionRequest, context: Context
    ) -> model_service_pb2.GetModelVersionResponse:
        name = convert.read_model_name("model_name", request.model_name)
        found = self._catalogue.version(name, convert.read_version("version", request.version))
        return model_service_pb2.GetModelVersionResponse(model_version=convert.version_message(found))


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

    def StartRollout(
        self, request: rollout_service_pb2.StartRolloutRequest, context: Context
    ) -> rollout_service_pb2.StartRolloutResponse:
        return rollout_service_pb2.StartRolloutResponse(rollout=self._change(request.rollout_id, Verb.START))

    def PauseRollout(
        self, request: rollout_service_pb2.PauseRolloutRequest, context: Context
    ) -> rollout_service_pb2.PauseRolloutResponse:
        return rollout_service_pb2.PauseRolloutResponse(rollout=self._change(request.rollout_id, Verb.PAUSE))

    def ResumeRollout(
        self, request: rollout_service_pb2.ResumeRolloutRequest, context: Context
    ) -> rollout_service_pb2.ResumeRolloutResponse:
        return rollout_service_pb2.ResumeRolloutResponse(
            rollout=self._change(request.rollout_id, Verb.RESUME)
        )

    def AbortRollout(
        self, request: rollout_service_pb2.AbortRolloutRequest, context: Context
    ) -> rollout_service_pb2.AbortRolloutResponse:
        return rollout_service_pb2.AbortRolloutResponse(rollout=self._change(request.rollout_id, Verb.ABORT))

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
        found = self._operations.rollouts(after=_after(page, int), limit=page.size + 1)
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
        found = self._operations.deployments(rollout_id, after=_after(page, str), limit=page.size + 1)
        messages, token = cut(
            found,
            page.size,
            convert=convert.deployment_message,
            key=lambda deployment: (deployment.device_id,),
            filters=filters,
        )
        return rollout_service_pb2.ListDeploymentsResponse(deployments=messages, next_page_token=token)

    def CheckUpdate(
        self, request: rollout_service_pb2.CheckUpdateRequest, context: Context
    ) -> rollout_service_pb2.CheckUpdateResponse:
        device_id = checks.require_device_id("device_id", request.device_id)
        running = nouns.read_model_reference("running_model", request.running_model)
        answer = self._updates.check(device_id, running.bundle_sha256)
        return rollout_service_pb2.CheckUpdateResponse(
            offer=convert.offer_message(answer.offer), update_mark=answer.update_mark
        )

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

    def _change(self, rollout_id: str, verb: Verb) -> rollout_pb2.Rollout:
        changed = self._operations.change(checks.require_id("rollout_id", rollout_id), verb)
        return convert.rollout_message(changed)


def _header(
    requests: Iterator[model_service_pb2.PublishModelVersionRequest],
) -> model_service_pb2.PublishHeader:
    first = next(requests, None)
    if first is None or first.WhichOneof("part") != "header":
        raise InvalidFieldError("part", "header in the first message")
    return first.header


def _pieces(requests: Iterator[model_service_pb2.PublishModelVersionRequest]) -> Iterator[bytes]:
    for request in requests:
        if request.WhichOneof("part") != "data" or not 1 <= len(request.data) <= MAX_PIECE_BYTES:
            raise InvalidFieldError("data", f"1 to {MAX_PIECE_BYTES} bytes in every message but the first")
        yield request.data


def _after(page: Page, kind: type[PartT]) -> PartT | None:
    """The only part of the sort key; `read_page` has checked its type."""
    part = page.after[0] if page.after else None
    return part if isinstance(part, kind) else None
