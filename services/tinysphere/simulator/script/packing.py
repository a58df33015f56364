"""Packages in the typed format, written after the contract: a tar.zst, its manifest first."""

import hashlib
import io
import tarfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

import zstandard
from google.protobuf import json_format, proto
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from tinymlops.v1 import device_pb2, package_pb2

_LEVEL = 1
_NAMES = {
    package_pb2.ENTRY_KIND_DRIFT_EVENTS: "drift_events.pb",
    package_pb2.ENTRY_KIND_SAMPLES: "samples.pb",
    package_pb2.ENTRY_KIND_METRICS: "metrics.pb",
    package_pb2.ENTRY_KIND_LOGS: "logs.pb",
    package_pb2.ENTRY_KIND_MODEL_STATE: "model_state.bin",
}

Kind: TypeAlias = "package_pb2.EntryKind.ValueType"


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package in a device's outbox.

    Attributes:
        record_counts: Records by the kind of their entry; a file counts as one.
    """

    descriptor: package_pb2.PackageDescriptor
    content: bytes
    record_counts: Mapping[Kind, int]

    @property
    def package_id(self) -> str:
        return self.descriptor.package_id

    @property
    def size_bytes(self) -> int:
        return len(self.content)


def pack(
    package_id: str,
    device_id: str,
    create_time: datetime,
    *,
    model: device_pb2.ModelReference,
    records: Mapping[Kind, Sequence[Message]],
    state: bytes = b"",
) -> Package:
    """Packs records by kind, and a snapshot of model state; kinds without records have no entry."""
    contents = {kind: length_delimited(messages) for kind, messages in records.items() if messages}
    counts = Counter({kind: len(messages) for kind, messages in records.items() if messages})
    if state:
        contents[package_pb2.ENTRY_KIND_MODEL_STATE] = state
        counts[package_pb2.ENTRY_KIND_MODEL_STATE] = 1
    moment = to_timestamp(create_time)
    manifest = package_pb2.PackageManifest(
        package_id=package_id,
        device_id=device_id,
        model=model,
        create_time=moment,
        entries=[
            package_pb2.PackageEntry(
                path=_NAMES[kind],
                kind=kind,
                sha256=hashlib.sha256(content).hexdigest(),
                size_bytes=len(content),
            )
            for kind, content in contents.items()
        ],
    )
    text = json_format.MessageToJson(manifest, indent=None).encode()
    stored = _archive(
        {"manifest.json": text, **{_NAMES[kind]: content for kind, content in contents.items()}}
    )
    descriptor = package_pb2.PackageDescriptor(
        package_id=package_id,
        device_id=device_id,
        format=package_pb2.PACKAGE_FORMAT_TAR_ZSTD,
        size_bytes=len(stored),
        sha256=hashlib.sha256(stored).hexdigest(),
        create_time=moment,
    )
    return Package(descriptor=descriptor, content=stored, record_counts=dict(counts))


def length_delimited(messages: Iterable[Message]) -> bytes:
    """Messages one after the other, each preceded by its size as a varint."""
    buffer = io.BytesIO()
    for message in messages:
        proto.serialize_length_prefixed(message, buffer)
    return buffer.getvalue()


def to_timestamp(moment: datetime) -> Timestamp:
    """An aware moment as a message."""
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp


def _archive(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return zstandard.ZstdCompressor(level=_LEVEL).compress(buffer.getvalue())
