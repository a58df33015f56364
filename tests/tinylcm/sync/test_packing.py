"""A package is what the contract describes, the same bytes from the same records."""

from __future__ import annotations

import hashlib
import io
import tarfile
from typing import TypeVar

import pytest
import zstandard
from google.protobuf import json_format, proto
from google.protobuf.message import Message

from tests.tinylcm.builders import MODEL, START, HandClock, drift_event, sample
from tinylcm.ports import MessageKind, NewPackage, Priority
from tinylcm.records import Adaptation, AdaptationEffect, AdaptationKind, AdaptationState, Image
from tinylcm.sync.packing import LogLine, Metric, Packer
from tinymlops.v1 import adaptation_pb2, drift_pb2, package_pb2

Record = TypeVar("Record", bound=Message)


def packer() -> Packer:
    return Packer("camera-1", HandClock())


def unpack(new: NewPackage) -> tuple[package_pb2.PackageManifest, dict[str, bytes]]:
    return unpack_content(new.content)


def unpack_content(content: bytes) -> tuple[package_pb2.PackageManifest, dict[str, bytes]]:
    """Manifest and files of a package, every promise of the manifest checked."""
    plain = zstandard.ZstdDecompressor().decompress(content)
    with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
        files = {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]
    names = list(files)
    assert names[0] == "manifest.json"
    manifest = json_format.Parse(files.pop("manifest.json"), package_pb2.PackageManifest())
    assert [entry.path for entry in manifest.entries] == names[1:]
    for entry in manifest.entries:
        assert entry.sha256 == hashlib.sha256(files[entry.path]).hexdigest()
        assert entry.size_bytes == len(files[entry.path])
    return manifest, files


def read(content: bytes, kind: type[Record]) -> list[Record]:
    stream = io.BytesIO(content)
    records = iter(lambda: proto.parse_length_prefixed(kind, stream), None)
    return [record for record in records if record is not None]


def test_drift_events_travel_with_their_samples() -> None:
    [new] = packer().evidence([drift_event()], [sample(1), sample(2)], MODEL)
    manifest, files = unpack(new)

    assert new.package.priority is Priority.DRIFT
    assert new.package.sha256 == hashlib.sha256(new.content).hexdigest()
    assert new.package.size_bytes == len(new.content)
    assert (manifest.package_id, manifest.device_id) == (new.package.package_id, "camera-1")
    assert manifest.model.bundle_sha256 == MODEL.bundle_sha256
    assert [entry.kind for entry in manifest.entries] == [
        package_pb2.ENTRY_KIND_DRIFT_EVENTS,
        package_pb2.ENTRY_KIND_SAMPLES,
    ]
    [event] = read(files["drift_events.pb"], drift_pb2.DriftEvent)
    assert event.drift_event_id == drift_event().drift_event_id
    samples = read(files["samples.pb"], drift_pb2.Sample)
    assert [one.sample_id for one in samples] == [sample(1).sample_id, sample(2).sample_id]


def test_same_records_give_the_same_bytes() -> None:
    first, second = (packer().evidence([drift_event()], [sample(1)], MODEL) for _ in range(2))

    assert first == second


def test_many_samples_are_split_and_none_is_lost() -> None:
    picture = Image(format="PNG", content=bytes(30_000))
    samples = [sample(number, image=picture) for number in range(150)]
    news = packer().evidence([drift_event()], samples, MODEL)

    assert [new.package.priority for new in news] == [Priority.DRIFT, Priority.SAMPLES, Priority.SAMPLES]
    ids = [one.sample_id for new in news for one in read(unpack(new)[1]["samples.pb"], drift_pb2.Sample)]
    assert ids == [one.sample_id for one in samples]
    assert len({new.package.package_id for new in news}) == 3


def test_nothing_makes_no_package() -> None:
    assert packer().evidence([], [], MODEL) == []


def test_urgent_events_are_messages() -> None:
    [message] = packer().urgent([drift_event(3)])

    assert message.kind is MessageKind.DRIFT_EVENT
    assert drift_pb2.DriftEvent.FromString(message.content).drift_event_id == drift_event(3).drift_event_id


def test_metrics_and_log_lines() -> None:
    metrics = packer().metrics([Metric(name="latency_ms.p50", measure_time=START, value=1.25)], MODEL)
    [point] = read(unpack(metrics)[1]["metrics.pb"], package_pb2.MetricPoint)
    assert (point.name, point.value, metrics.package.priority) == ("latency_ms.p50", 1.25, Priority.METRICS)

    line = LogLine(log_time=START, level="ERROR", logger="tinylcm", message="m" * 5000)
    logs = packer().logs([line], MODEL)
    [record] = read(unpack(logs)[1]["logs.pb"], package_pb2.LogRecord)
    assert (record.level, len(record.message), logs.package.priority) == ("ERROR", 4096, Priority.LOGS)


def adaptation(state: AdaptationState) -> Adaptation:
    return Adaptation(
        adaptation_id="01930000-0000-7000-8000-000000000777",
        model=MODEL,
        kind=AdaptationKind.SENSOR_CORRECTION,
        state=state,
        drift_event_id=drift_event().drift_event_id,
        description="sensor correction " + "x" * 2000,
        reason="",
        effect=AdaptationEffect(
            adaptation_id="01930000-0000-7000-8000-000000000777",
            judged_accuracy_before=0.0,
            judged_accuracy_after=0.0,
            judged_sample_count=0,
            reference_accuracy_before=0.9,
            reference_accuracy_after=0.91,
            reference_sample_count=1000,
            propagated_sample_count=0,
            commit_time=START,
            stream_distance_before=2.5,
            stream_distance_after=0.5,
            stream_sample_count=200,
        ),
        sample_ids=tuple(f"sample-{number}" for number in range(600)),
        decide_time=START,
    )


@pytest.mark.parametrize("state", AdaptationState)
def test_adaptations_travel_with_their_event_or_alone(state: AdaptationState) -> None:
    [beside] = packer().evidence([drift_event()], [sample(1)], MODEL, [adaptation(state)])
    [alone] = packer().evidence([], [], MODEL, [adaptation(state)])
    assert beside.package.priority is alone.package.priority is Priority.DRIFT
    assert [entry.path for entry in unpack(beside)[0].entries] == [
        "drift_events.pb",
        "adaptations.pb",
        "samples.pb",
    ]
    manifest, files = unpack(alone)
    assert [entry.kind for entry in manifest.entries] == [package_pb2.ENTRY_KIND_ADAPTATIONS]
    [told] = read(files["adaptations.pb"], adaptation_pb2.Adaptation)
    assert adaptation_pb2.AdaptationState.Name(told.state) == f"ADAPTATION_STATE_{state.name}"
    assert told.kind == adaptation_pb2.ADAPTATION_KIND_SENSOR_CORRECTION
    assert (told.device_id, told.drift_event_id) == ("camera-1", drift_event().drift_event_id)
    assert (len(told.description), len(told.sample_ids)) == (1024, 500)
    assert (told.effect.stream_distance_before, told.effect.stream_distance_after) == (2.5, 0.5)
    assert told.effect.stream_sample_count == 200
    assert told.decide_time.ToDatetime(tzinfo=START.tzinfo) == START
