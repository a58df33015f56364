"""ModelService on the wire: convert in, one call, convert out."""

from collections.abc import Iterator

import grpc

from tinymlops.v1 import model_service_pb2, model_service_pb2_grpc
from tinysphere.distribution.catalogue import Catalogue
from tinysphere.distribution.convert import models as convert
from tinysphere.distribution.publishing import Publisher
from tinysphere.distribution.servicer.pages import after_key
from tinysphere.errors import InvalidFieldError
from tinysphere.rpc.pages import cut
from tinysphere.rpc.paging import read_page

MAX_PIECE_BYTES = 1024 * 1024

Context = grpc.ServicerContext


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
        found = self._catalogue.latest_versions(after=after_key(page, str), limit=page.size + 1)
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
        found = self._catalogue.versions(name, after=after_key(page, int), limit=page.size + 1)
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
