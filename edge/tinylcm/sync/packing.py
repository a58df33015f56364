"""Makes packages: a tar compressed with Zstandard, the manifest first, records as length-delimited messages.

The same records, ids and times give the same bytes.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import zstandard
from google.protobuf import json_format, proto
from google.protobuf.message import Message as ProtoMessage

from tinylcm.ports import Clock, MessageKind, NewMessage, NewPackage, OutgoingPackage, Priority
from tinylcm.records import Adaptation, DriftEvent, ModelReference, Sample
from tinylcm.sync import convert
from tinymlops.v1 import package_pb2

_LEVEL = 3
_MAX_SAMPLES = 200
_MAX_SAMPLE_BYTES = 2 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One value of one device metric; `name` is dotted, e.g. "latency_ms.p50"."""

    name: str
    measure_time: datetime
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line of the device's log; `level` is a Python level name."""

    log_time: datetime
    level: str
    logger: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One record file of a package."""

    path: str
    kind: "package_pb2.EntryKind.ValueType"
    records: Sequence[ProtoMessage]


class Packer:
    """Packs the records of one device; the model that made them is named in every package."""

    def __init__(self, device_id: str, clock: Clock) -> None:
        self._device_id = device_id
        self._clock = clock

    def evidence(
        self,
        events: Sequence[DriftEvent],
        samples: Sequence[Sample],
        model: ModelReference,
        adaptations: Sequence[Adaptation] = (),
    ) -> list[NewPackage]:
        """Packs drift events and adaptations with their samples, in several packages when there are many samples."""
        parts = list(_split([convert.to_sample(sample, self._device_id) for sample in samples]))
        packages = []
        urgent = self._urgent_entries(events, adaptations)
        if urgent:
            first = [_samples_entry(parts.pop(0))] if events and parts else []
            packages.append(self._pack([*urgent, *first], model, Priority.DRIFT))
        packages += [self._pack([_samples_entry(part)], model, Priority.SAMPLES) for part in parts]
        return packages

    def _urgent_entries(self, events: Sequence[DriftEvent], adaptations: Sequence[Adaptation]) -> list[Entry]:
        """What leaves first; a kind without records has no entry."""
        entries = [
            Entry(
                path="drift_events.pb",
                kind=package_pb2.ENTRY_KIND_DRIFT_EVENTS,
                records=[convert.to_drift_event(event, self._device_id) for event in events],
            ),
            Entry(
                path="adaptations.pb",
                kind=package_pb2.ENTRY_KIND_ADAPTATIONS,
                records=[convert.to_adaptation(adaptation, self._device_id) for adaptation in adaptations],
            ),
        ]
        return [entry for entry in entries if entry.records]

    def urgent(self, events: Iterable[DriftEvent]) -> list[NewMessage]:
        """Returns drift events as messages that go ahead of their package."""
        messages = (convert.to_drift_event(event, self._device_id) for event in events)
        return [
            NewMessage(kind=MessageKind.DRIFT_EVENT, content=message.SerializeToString())
            for message in messages
        ]

    def metrics(self, metrics: Sequence[Metric], model: ModelReference) -> NewPackage:
        """Packs what was measured."""
        points = [
            package_pb2.MetricPoint(
                name=metric.name, measure_time=convert.to_timestamp(metric.measure_time), value=metric.value
            )
            for metric in metrics
        ]
        entry = Entry(path="metrics.pb", kind=package_pb2.ENTRY_KIND_METRICS, records=points)
        return self._pack([entry], model, Priority.METRICS)

    def logs(self, lines: Sequence[LogLine], model: ModelReference) -> NewPackage:
        """Packs lines of the log."""
        records = [
            package_pb2.LogRecord(
                log_time=convert.to_timestamp(line.log_time),
                level=line.level,
                logger=line.logger[:128],
                message=line.message[:4096],
            )
            for line in lines
        ]
        entry = Entry(path="logs.pb", kind=package_pb2.ENTRY_KIND_LOGS, records=records)
        return self._pack([entry], model, Priority.LOGS)

    def _pack(self, entries: Sequence[Entry], model: ModelReference, priority: Priority) -> NewPackage:
        package_id, create_time = self._clock.new_id(), self._clock.now()
        files = {entry.path: length_delimited(entry.records) for entry in entries}
        manifest = package_pb2.PackageManifest(
            package_id=package_id,
            device_id=self._device_id,
            model=convert.to_model(model),
            create_time=convert.to_timestamp(create_time),
            entries=[_describe(entry, files[entry.path]) for entry in entries],
        )
        content = compress({"manifest.json": canonical_json(manifest), **files})
        package = OutgoingPackage(
            package_id=package_id,
            priority=priority,
            size_bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            create_time=create_time,
        )
        return NewPackage(package=package, content=content)


def length_delimited(records: Iterable[ProtoMessage]) -> bytes:
    """Returns messages one after the other, each preceded by its size as a varint."""
    buffer = io.BytesIO()
    for record in records:
        proto.serialize_length_prefixed(record, buffer)
    return buffer.getvalue()


def canonical_json(message: ProtoMessage) -> bytes:
    """Returns a message in canonical protobuf JSON, keys sorted."""
    value = json_format.MessageToDict(message)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def compress(files: dict[str, bytes]) -> bytes:
    """Returns files as tar.zst, in the order given, without times and owners."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(buffer.getvalue())


def _describe(entry: Entry, content: bytes) -> package_pb2.PackageEntry:
    return package_pb2.PackageEntry(
        path=entry.path,
        kind=entry.kind,
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
    )


def _samples_entry(samples: Sequence[ProtoMessage]) -> Entry:
    return Entry(path="samples.pb", kind=package_pb2.ENTRY_KIND_SAMPLES, records=samples)


def _split(samples: Iterable[ProtoMessage]) -> Iterator[list[ProtoMessage]]:
    """Parts of at most 200 samples and about 2 MiB, so that a small package can be sent in one request."""
    part: list[ProtoMessage] = []
    size_bytes = 0
    for sample in samples:
        sample_bytes = sample.ByteSize()
        if part and (len(part) == _MAX_SAMPLES or size_bytes + sample_bytes > _MAX_SAMPLE_BYTES):
            yield part
            part, size_bytes = [], 0
        part.append(sample)
        size_bytes += sample_bytes
    if part:
        yield part
