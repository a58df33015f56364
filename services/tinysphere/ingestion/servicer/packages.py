"""IngestionService."""

import threading
from collections.abc import Iterator
from datetime import datetime

import grpc

from tinymlops.v1 import ingestion_service_pb2, ingestion_service_pb2_grpc
from tinysphere.domain.moments import microseconds, moment_of
from tinysphere.ingestion.convert.packages import (
    package_message,
    read_descriptor,
    read_digests,
    read_filter,
    read_upload_part,
    upload_answer,
    upload_message,
)
from tinysphere.ingestion.limits import UploadLimits
from tinysphere.ingestion.packages import Packages
from tinysphere.ingestion.receiving import UploadChunk, UploadPart, UploadReceiver
from tinysphere.ingestion.uploads import Uploads
from tinysphere.ingestion.watching import watch
from tinysphere.rpc.checks import require_device_id, require_id
from tinysphere.rpc.inbox import Inbox
from tinysphere.rpc.paging import Key, next_token, read_page


class IngestionServicer(ingestion_service_pb2_grpc.IngestionServiceServicer):
    """See ingestion_service.proto."""

    def __init__(
        self, packages: Packages, uploads: Uploads, receiver: UploadReceiver, limits: UploadLimits
    ) -> None:
        self._packages = packages
        self._uploads = uploads
        self._receiver = receiver
        self._limits = limits

    def PutPackage(
        self, request: ingestion_service_pb2.PutPackageRequest, context: grpc.ServicerContext
    ) -> ingestion_service_pb2.PutPackageResponse:
        """Take a small package."""
        package = self._uploads.put(read_descriptor(request.descriptor), request.content)
        return ingestion_service_pb2.PutPackageResponse(package=package_message(package))

    def CreateUpload(
        self, request: ingestion_service_pb2.CreateUploadRequest, context: grpc.ServicerContext
    ) -> ingestion_service_pb2.CreateUploadResponse:
        """Open or find a resumable upload."""
        upload, package = self._uploads.create(read_descriptor(request.descriptor))
        return ingestion_service_pb2.CreateUploadResponse(
            upload=upload_message(upload, package, self._limits)
        )

    def UploadPackage(  # type: ignore[override]  # rpc.handlers hands over an Inbox, which is an Iterator
        self,
        request_iterator: Inbox[ingestion_service_pb2.UploadPackageRequest | UploadChunk],
        context: grpc.ServicerContext,
    ) -> Iterator[ingestion_service_pb2.UploadPackageResponse]:
        """Take the bytes of an upload."""
        for answer in self._receiver.receive(UploadMessages(request_iterator)):
            yield upload_answer(answer)

    def GetUpload(
        self, request: ingestion_service_pb2.GetUploadRequest, context: grpc.ServicerContext
    ) -> ingestion_service_pb2.GetUploadResponse:
        """One upload."""
        upload, package = self._uploads.get(require_id("upload_id", request.upload_id))
        return ingestion_service_pb2.GetUploadResponse(upload=upload_message(upload, package, self._limits))

    def CancelUpload(
        self, request: ingestion_service_pb2.CancelUploadRequest, context: grpc.ServicerContext
    ) -> ingestion_service_pb2.CancelUploadResponse:
        """Give an upload up."""
        upload = self._uploads.cancel(require_id("upload_id", request.upload_id))
        return ingestion_service_pb2.CancelUploadResponse(upload=upload_message(upload, None, self._limits))

    def FindMissing(
        self, request: ingestion_service_pb2.FindMissingRequest, context: grpc.ServicerContext
    ) -> ingestion_service_pb2.FindMissingResponse:
        """Contents the server does not hold from a device."""
        device_id = require_device_id("device_id", request.device_id)
        missing = self._packages.missing(device_id, read_digests(request))
        return ingestion_service_pb2.FindMissingResponse(missing_sha256=missing)

    def GetPackage(
        self, request: ingestion_service_pb2.GetPackageRequest, context: grpc.ServicerContext
    ) -> ingestion_service_pb2.GetPackageResponse:
        """One package."""
        package = self._packages.get(require_id("package_id", request.package_id))
        return ingestion_service_pb2.GetPackageResponse(package=package_message(package))

    def WatchPackage(
        self, request: ingestion_service_pb2.WatchPackageRequest, context: grpc.ServicerContext
    ) -> Iterator[ingestion_service_pb2.WatchPackageResponse]:
        """One package until it is final."""
        package_id = require_id("package_id", request.package_id)
        ended = threading.Event()
        context.add_callback(ended.set)
        for package in watch(self._packages, package_id, ended.wait):
            yield ingestion_service_pb2.WatchPackageResponse(package=package_message(package))

    def ListPackages(
        self, request: ingestion_service_pb2.ListPackagesRequest, context: grpc.ServicerContext
    ) -> ingestion_service_pb2.ListPackagesResponse:
        """Packages, newest first."""
        wanted = read_filter(request)
        filters = repr(wanted)
        page = read_page(request.page_size, request.page_token, filters=filters, key=(int, str))
        found = self._packages.page(wanted, after=_moment_key(page.after), limit=page.size + 1)
        shown = found[: page.size]
        token = ""
        if len(found) > page.size:
            last = shown[-1]
            token = next_token((microseconds(last.receive_time), last.descriptor.package_id), filters)
        return ingestion_service_pb2.ListPackagesResponse(
            packages=[package_message(package) for package in shown], next_page_token=token
        )

    def RetryPackage(
        self, request: ingestion_service_pb2.RetryPackageRequest, context: grpc.ServicerContext
    ) -> ingestion_service_pb2.RetryPackageResponse:
        """Process failed steps again."""
        package = self._packages.retry(require_id("package_id", request.package_id))
        return ingestion_service_pb2.RetryPackageResponse(package=package_message(package))


class UploadMessages:
    """See `UploadInbox`: the messages of a stream in the receiver's words."""

    def __init__(self, inbox: Inbox[ingestion_service_pb2.UploadPackageRequest | UploadChunk]) -> None:
        self._inbox = inbox
        self.interrupt = inbox.interrupt

    @property
    def ended(self) -> bool:
        return self._inbox.ended

    @property
    def is_empty(self) -> bool:
        return self._inbox.is_empty

    def take(self, timeout_s: float) -> UploadPart | None:
        request = self._inbox.take(timeout_s)
        return request if request is None or isinstance(request, UploadChunk) else read_upload_part(request)


def _moment_key(key: Key | None) -> tuple[datetime, str] | None:
    if key is None:
        return None
    time_us, package_id = key
    return moment_of(int(time_us)), str(package_id)
