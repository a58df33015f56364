"""IngestionService's messages, and the manifest inside a package."""

from google.protobuf import json_format

from tinymlops.v1 import ingestion_service_pb2, package_pb2
from tinysphere.domain.packages import (
    EntryKind,
    Manifest,
    ManifestEntry,
    Package,
    PackageDescriptor,
    PackageFormat,
    PackageState,
    PackageStep,
    Upload,
)
from tinysphere.errors import InvalidFieldError
from tinysphere.ingestion.limits import UploadLimits
from tinysphere.ingestion.receiving import UploadChunk, UploadFinish, UploadOpen, UploadPart
from tinysphere.rpc.checks import (
    require_device_id,
    require_id,
    require_range,
    require_sha256,
    require_timestamp,
)
from tinysphere.rpc.nouns import (
    enum_number,
    read_enum,
    read_model_reference,
    read_optional_enum,
    to_timestamp,
)
from tinysphere.storage.ports.packages import PackageFilter

MAX_ENTRIES = 1000
MAX_DIGESTS = 1000
MAX_SIZE_BYTES = 2**50


def read_descriptor(message: package_pb2.PackageDescriptor) -> PackageDescriptor:
    """What a device announces."""
    return PackageDescriptor(
        package_id=require_id("descriptor.package_id", message.package_id),
        device_id=require_device_id("descriptor.device_id", message.device_id),
        format=read_enum("descriptor.format", message.format, package_pb2.PackageFormat, PackageFormat),
        size_bytes=require_range("descriptor.size_bytes", message.size_bytes, 1, MAX_SIZE_BYTES),
        sha256=require_sha256("descriptor.sha256", message.sha256),
        create_time=require_timestamp("descriptor.create_time", message.create_time),
    )


def read_filter(request: ingestion_service_pb2.ListPackagesRequest) -> PackageFilter:
    """Which packages are wanted."""
    device_id = request.device_id
    return PackageFilter(
        device_id=require_device_id("device_id", device_id) if device_id else None,
        state=read_optional_enum("state", request.state, package_pb2.PackageState, PackageState),
    )


def read_digests(request: ingestion_service_pb2.FindMissingRequest) -> list[str]:
    """The digests a device asks for."""
    if not 1 <= len(request.sha256) <= MAX_DIGESTS:
        raise InvalidFieldError("sha256", f"1 to {MAX_DIGESTS} digests", str(len(request.sha256)))
    return [require_sha256(f"sha256[{index}]", one) for index, one in enumerate(request.sha256)]


def read_upload_part(request: ingestion_service_pb2.UploadPackageRequest) -> UploadPart:
    """One message of an upload stream."""
    kind = request.WhichOneof("part")
    if kind == "chunk":
        chunk = request.chunk
        return UploadChunk(offset=chunk.offset, data=chunk.data, crc32c=chunk.crc32c)
    if kind == "open":
        upload_id = require_id("open.upload_id", request.open.upload_id)
        return UploadOpen(upload_id=upload_id, offset=request.open.offset)
    if kind == "finish":
        return UploadFinish()
    raise InvalidFieldError("part", "one of `open`, `chunk`, `finish`")


def read_manifest(content: bytes) -> Manifest:
    """The manifest of a package, from canonical protobuf JSON; fields of later versions are ignored.

    Raises:
        InvalidFieldError: a field breaks its stated limit, or the content is no such JSON.
    """
    try:
        text = content.decode()
        message = json_format.Parse(text, package_pb2.PackageManifest(), ignore_unknown_fields=True)
    except (ValueError, RecursionError, json_format.ParseError) as error:
        raise InvalidFieldError("manifest", "the canonical JSON of a PackageManifest", str(error)) from error
    if len(message.entries) > MAX_ENTRIES:
        raise InvalidFieldError("entries", f"at most {MAX_ENTRIES}", str(len(message.entries)))
    return Manifest(
        package_id=require_id("package_id", message.package_id),
        device_id=require_device_id("device_id", message.device_id),
        model=read_model_reference("model", message.model),
        create_time=require_timestamp("create_time", message.create_time),
        entries=[_read_entry(f"entries[{index}]", entry) for index, entry in enumerate(message.entries)],
    )


def package_message(package: Package) -> package_pb2.Package:
    """The contract's message."""
    descriptor = package.descriptor
    return package_pb2.Package(
        descriptor=package_pb2.PackageDescriptor(
            package_id=descriptor.package_id,
            device_id=descriptor.device_id,
            format=enum_number(descriptor.format, package_pb2.PackageFormat),
            size_bytes=descriptor.size_bytes,
            sha256=descriptor.sha256,
            create_time=to_timestamp(descriptor.create_time),
        ),
        state=enum_number(package.state, package_pb2.PackageState),
        error_reason=package.error_reason,
        error=package.error,
        steps=[_step_message(step) for step in package.steps],
        receive_time=to_timestamp(package.receive_time),
        commit_time=to_timestamp(package.commit_time),
        process_time=to_timestamp(package.process_time),
    )


def upload_message(upload: Upload, package: Package | None, limits: UploadLimits) -> package_pb2.Upload:
    """The contract's message, with the server's limits."""
    return package_pb2.Upload(
        upload_id=upload.upload_id,
        package_id=upload.package_id,
        state=enum_number(upload.state, package_pb2.UploadState),
        committed_offset=upload.committed_offset,
        size_bytes=upload.size_bytes,
        chunk_size_bytes=limits.chunk_bytes,
        max_chunk_size_bytes=limits.chunk_max_bytes,
        commit_interval_bytes=limits.commit_bytes,
        expire_time=to_timestamp(upload.expire_time),
        package=None if package is None else package_message(package),
    )


def upload_answer(answer: int | Package) -> ingestion_service_pb2.UploadPackageResponse:
    """An acknowledgement, or the package at the end."""
    if isinstance(answer, Package):
        done = ingestion_service_pb2.UploadDone(package=package_message(answer))
        return ingestion_service_pb2.UploadPackageResponse(done=done)
    ack = ingestion_service_pb2.UploadAck(committed_offset=answer)
    return ingestion_service_pb2.UploadPackageResponse(ack=ack)


def _read_entry(field: str, message: package_pb2.PackageEntry) -> ManifestEntry:
    return ManifestEntry(
        path=message.path,  # the archive walk checks paths
        kind=read_enum(f"{field}.kind", message.kind, package_pb2.EntryKind, EntryKind),
        sha256=require_sha256(f"{field}.sha256", message.sha256),
        size_bytes=require_range(f"{field}.size_bytes", message.size_bytes, 0, MAX_SIZE_BYTES),
    )


def _step_message(step: PackageStep) -> package_pb2.PackageStep:
    return package_pb2.PackageStep(
        kind=enum_number(step.kind, package_pb2.EntryKind),
        state=enum_number(step.state, package_pb2.StepState),
        error=step.error,
        record_count=step.record_count,
        attempt_count=step.attempt_count,
    )
