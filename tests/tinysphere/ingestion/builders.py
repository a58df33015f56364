"""Packages as devices make them, written with the standard library's own archivers."""

import gzip
import hashlib
import io
import json
import struct
import tarfile
import warnings
import zipfile
from collections.abc import Iterable, Sequence
from typing import Any

import zstandard
from google.protobuf import json_format
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from tinymlops.v1 import adaptation_pb2, device_pb2, drift_pb2, feedback_pb2, package_pb2
from tinysphere.domain.ids import new_id

DEVICE_ID = "camera-1"
TIME = Timestamp(seconds=1_795_000_000)
SPACE = hashlib.sha256(b"extractor").hexdigest()
MODEL = device_pb2.ModelReference(model_name="fashion", version=1, feature_space=SPACE)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(500)

TAR_ZSTD = package_pb2.PACKAGE_FORMAT_TAR_ZSTD
TAR_GZIP = package_pb2.PACKAGE_FORMAT_TAR_GZIP
TAR = package_pb2.PACKAGE_FORMAT_TAR
ZIP = package_pb2.PACKAGE_FORMAT_ZIP
GZIP = package_pb2.PACKAGE_FORMAT_GZIP
FORMATS = {"tar.zst": TAR_ZSTD, "tar.gz": TAR_GZIP, "tar": TAR, "zip": ZIP}

DRIFT_EVENTS = package_pb2.ENTRY_KIND_DRIFT_EVENTS
SAMPLES = package_pb2.ENTRY_KIND_SAMPLES
METRICS = package_pb2.ENTRY_KIND_METRICS
LOGS = package_pb2.ENTRY_KIND_LOGS
PREDICTION_IMAGES = package_pb2.ENTRY_KIND_PREDICTION_IMAGES
MODEL_STATE = package_pb2.ENTRY_KIND_MODEL_STATE
ADAPTATIONS = package_pb2.ENTRY_KIND_ADAPTATIONS

Entry = tuple[str, package_pb2.EntryKind.ValueType, bytes]
File = tuple[str, bytes]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def describe(
    content: bytes, package_format: package_pb2.PackageFormat.ValueType = TAR, **changes: Any
) -> package_pb2.PackageDescriptor:
    facts: dict[str, Any] = {
        "package_id": new_id(),
        "device_id": DEVICE_ID,
        "format": package_format,
        "size_bytes": len(content),
        "sha256": sha256(content),
        "create_time": TIME,
    }
    return package_pb2.PackageDescriptor(**{**facts, **changes})


def manifest(package_id: str, entries: Sequence[Entry], **changes: Any) -> bytes:
    facts: dict[str, Any] = {
        "package_id": package_id,
        "device_id": DEVICE_ID,
        "model": MODEL,
        "create_time": TIME,
        "entries": [
            package_pb2.PackageEntry(path=path, kind=kind, sha256=sha256(content), size_bytes=len(content))
            for path, kind, content in entries
        ],
    }
    return json_format.MessageToJson(package_pb2.PackageManifest(**{**facts, **changes})).encode()


def archived(files: Iterable[File], package_format: package_pb2.PackageFormat.ValueType = TAR) -> bytes:
    """The files in an archive of that format, in order."""
    if package_format == ZIP:
        return zipped(files)
    if package_format == GZIP:
        return single(files)
    plain = tarred(files)
    if package_format == TAR_ZSTD:
        return zstandard.ZstdCompressor(level=1).compress(plain)
    return gzip.compress(plain, 1) if package_format == TAR_GZIP else plain


def single(files: Iterable[File]) -> bytes:
    """The first file, a manifest, as one line, then the others, as one gzip file."""
    (_, listed), *others = files
    line = json.dumps(json.loads(listed)).encode()
    return gzip.compress(line + b"\n" + b"".join(content for _, content in others), 1)


def tarred(files: Iterable[File], tar_format: int = tarfile.PAX_FORMAT) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tar_format) as archive:
        for path, content in files:
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


def zipped(files: Iterable[File], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Duplicate name")
        for path, content in files:
            archive.writestr(path, content)
    return target.getvalue()


def packed(
    entries: Sequence[Entry],
    package_format: package_pb2.PackageFormat.ValueType = TAR_ZSTD,
    **changes: Any,
) -> tuple[package_pb2.PackageDescriptor, bytes]:
    """A package of these entries, and its stored bytes."""
    package_id = new_id()
    files = [("manifest.json", manifest(package_id, entries, **changes))]
    files += [(path, content) for path, _, content in entries]
    content = archived(files, package_format)
    return describe(content, package_format, package_id=package_id), content


def delimited(messages: Iterable[Message]) -> bytes:
    """Messages as a `.pb` record file."""
    return b"".join(varint(len(raw)) + raw for raw in (message.SerializeToString() for message in messages))


def json_lines(messages: Iterable[Message]) -> bytes:
    """Messages as a `.jsonl` record file."""
    return b"".join(json_format.MessageToJson(message, indent=None).encode() + b"\n" for message in messages)


def varint(number: int) -> bytes:
    low, high = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(high) if high else bytes([low])


def drift_event(**changes: Any) -> drift_pb2.DriftEvent:
    facts: dict[str, Any] = {
        "drift_event_id": new_id(),
        "device_id": DEVICE_ID,
        "model": MODEL,
        "detector": "knn_distance.page_hinkley",
        "type": drift_pb2.DRIFT_TYPE_KNN_DISTANCE,
        "severity": drift_pb2.SEVERITY_HIGH,
        "statistic": 31.5,
        "threshold": 30.0,
        "shift_sigma": 2.5,
        "start_time": TIME,
        "detect_time": TIME,
        "start_index": 100,
        "detect_index": 120,
    }
    return drift_pb2.DriftEvent(**{**facts, **changes})


def sample(**changes: Any) -> drift_pb2.Sample:
    facts: dict[str, Any] = {
        "sample_id": new_id(),
        "device_id": DEVICE_ID,
        "model": MODEL,
        "source_index": 7,
        "capture_time": TIME,
        "predicted_label": "shirt",
        "confidence": 0.6,
        "distance_score": 4.2,
        "embedding": drift_pb2.Embedding(
            values=struct.pack("<2f", 1.0, -2.0), dimension_count=2, feature_space=SPACE
        ),
        "image": PNG,
        "image_format": drift_pb2.IMAGE_FORMAT_PNG,
    }
    return drift_pb2.Sample(**{**facts, **changes})


def adaptation(**changes: Any) -> adaptation_pb2.Adaptation:
    adaptation_id = changes.get("adaptation_id", new_id())
    effect = feedback_pb2.AdaptationEffect(
        adaptation_id=adaptation_id, reference_accuracy_before=0.9, commit_time=TIME, stream_sample_count=250
    )
    facts: dict[str, Any] = {
        "adaptation_id": adaptation_id,
        "device_id": DEVICE_ID,
        "model": MODEL,
        "kind": adaptation_pb2.ADAPTATION_KIND_SENSOR_CORRECTION,
        "state": adaptation_pb2.ADAPTATION_STATE_COMMITTED,
        "description": "contrast and brightness",
        "effect": effect,
        "decide_time": TIME,
    }
    return adaptation_pb2.Adaptation(**{**facts, **changes})


def metric_point(**changes: Any) -> package_pb2.MetricPoint:
    facts: dict[str, Any] = {"name": "latency_ms.total", "measure_time": TIME, "value": 12.5}
    return package_pb2.MetricPoint(**{**facts, **changes})


def log_record(**changes: Any) -> package_pb2.LogRecord:
    facts: dict[str, Any] = {
        "log_time": TIME,
        "level": "INFO",
        "logger": "tinylcm.sync",
        "message": "uploaded",
    }
    return package_pb2.LogRecord(**{**facts, **changes})
