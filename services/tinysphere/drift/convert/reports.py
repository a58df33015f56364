"""What devices report, read and checked."""

import hashlib
from collections.abc import Sequence
from datetime import datetime

import numpy as np

from tinymlops.v1 import drift_pb2, drift_service_pb2
from tinysphere.domain.drift import (
    DriftCause,
    DriftEvent,
    DriftType,
    Embedding,
    ImageFormat,
    Neighbour,
    ReportedSample,
    Sample,
    Severity,
    StoredImage,
)
from tinysphere.drift.convert.limits import (
    MAX_DETECTOR_CHARACTERS,
    MAX_DIMENSION_COUNT,
    MAX_EVENTS,
    MAX_IMAGE_BYTES,
    MAX_LABEL_CHARACTERS,
    MAX_LOOKUP_CHARACTERS,
    MAX_NEIGHBOURS,
    MAX_SAMPLES,
    MAX_SAMPLES_REQUEST_BYTES,
    MAX_TEXT_CHARACTERS,
)
from tinysphere.errors import InvalidFieldError
from tinysphere.rpc.checks import (
    optional_timestamp,
    require_count,
    require_device_id,
    require_finite,
    require_id,
    require_length,
    require_range,
    require_sha256,
    require_text,
    require_timestamp,
)
from tinysphere.rpc.nouns import read_enum, read_model_reference, read_optional_enum

_FLOAT32_BYTES = 4
_MAGIC = {ImageFormat.JPEG: b"\xff\xd8\xff", ImageFormat.PNG: b"\x89PNG\r\n\x1a\n"}


def read_events(
    request: drift_service_pb2.ReportDriftEventsRequest, *, receive_time: datetime
) -> Sequence[DriftEvent]:
    """The events of a request; raises InvalidFieldError."""
    require_length("drift_events", request.drift_events, 1, MAX_EVENTS)
    return [
        _read_event(f"drift_events[{index}]", message, receive_time)
        for index, message in enumerate(request.drift_events)
    ]


def read_samples(request: drift_service_pb2.ReportSamplesRequest) -> Sequence[ReportedSample]:
    """The samples of a request; raises InvalidFieldError."""
    require_length("samples", request.samples, 1, MAX_SAMPLES)
    if request.ByteSize() > MAX_SAMPLES_REQUEST_BYTES:
        limit = f"a request of at most {MAX_SAMPLES_REQUEST_BYTES} bytes"
        raise InvalidFieldError("samples", limit, str(request.ByteSize()))
    return [_read_sample(f"samples[{index}]", message) for index, message in enumerate(request.samples)]


def _read_event(field: str, message: drift_pb2.DriftEvent, receive_time: datetime) -> DriftEvent:
    recovery_time, recovery_index = _read_recovery(field, message)
    return DriftEvent(
        drift_event_id=require_id(f"{field}.drift_event_id", message.drift_event_id),
        device_id=require_device_id(f"{field}.device_id", message.device_id),
        model=read_model_reference(f"{field}.model", message.model),
        detector=require_text(f"{field}.detector", message.detector, 1, MAX_DETECTOR_CHARACTERS),
        type=read_enum(f"{field}.type", message.type, drift_pb2.DriftType, DriftType),
        severity=read_optional_enum(f"{field}.severity", message.severity, drift_pb2.Severity, Severity),
        cause=read_optional_enum(f"{field}.cause", message.cause, drift_pb2.DriftCause, DriftCause),
        statistic=require_finite(f"{field}.statistic", message.statistic),
        threshold=require_finite(f"{field}.threshold", message.threshold),
        shift_sigma=require_finite(f"{field}.shift_sigma", message.shift_sigma),
        start_time=require_timestamp(f"{field}.start_time", message.start_time),
        detect_time=require_timestamp(f"{field}.detect_time", message.detect_time),
        recovery_time=recovery_time,
        start_index=require_count(f"{field}.start_index", message.start_index),
        detect_index=require_count(f"{field}.detect_index", message.detect_index),
        recovery_index=recovery_index,
        description=require_text(f"{field}.description", message.description, 0, MAX_TEXT_CHARACTERS),
        receive_time=receive_time,
    )


def _read_recovery(field: str, message: drift_pb2.DriftEvent) -> tuple[datetime | None, int | None]:
    """Time and index; a recovery has both."""
    recovery_time = optional_timestamp(f"{field}.recovery_time", message.recovery_time)
    if (recovery_time is not None) != message.HasField("recovery_index"):
        raise InvalidFieldError(f"{field}.recovery_index", "to be there exactly when recovery_time is")
    if recovery_time is None:
        return None, None
    return recovery_time, require_count(f"{field}.recovery_index", message.recovery_index)


def _read_sample(field: str, message: drift_pb2.Sample) -> ReportedSample:
    model = read_model_reference(f"{field}.model", message.model)
    embedding = _read_embedding(f"{field}.embedding", message.embedding)
    if model.feature_space != embedding.feature_space:
        expected = f"the model's feature space {model.feature_space or '(none)'}"
        raise InvalidFieldError(f"{field}.embedding.feature_space", expected, embedding.feature_space)
    sample = Sample(
        sample_id=require_id(f"{field}.sample_id", message.sample_id),
        device_id=require_device_id(f"{field}.device_id", message.device_id),
        drift_event_id=read_event_id(f"{field}.drift_event_id", message.drift_event_id),
        model=model,
        source_index=require_count(f"{field}.source_index", message.source_index),
        capture_time=require_timestamp(f"{field}.capture_time", message.capture_time),
        predicted_label=require_text(
            f"{field}.predicted_label", message.predicted_label, 1, MAX_LABEL_CHARACTERS
        ),
        confidence=require_finite(f"{field}.confidence", message.confidence, 0, 1),
        distance_score=require_finite(f"{field}.distance_score", message.distance_score),
        embedding=embedding,
        neighbours=_read_neighbours(f"{field}.neighbours", message.neighbours),
        image=_read_image(field, message),
    )
    return ReportedSample(sample=sample, image_content=message.image if sample.image else None)


def read_event_id(field: str, drift_event_id: str) -> str:
    """The id of a drift event, or nothing."""
    return require_id(field, drift_event_id) if drift_event_id else ""


def _read_embedding(field: str, message: drift_pb2.Embedding) -> Embedding:
    dimension_count = require_range(
        f"{field}.dimension_count", message.dimension_count, 1, MAX_DIMENSION_COUNT
    )
    size_bytes = dimension_count * _FLOAT32_BYTES
    if len(message.values) != size_bytes:
        expected = f"{size_bytes} bytes for {dimension_count} float32 values"
        raise InvalidFieldError(f"{field}.values", expected, f"{len(message.values)} bytes")
    if not np.isfinite(np.frombuffer(message.values, dtype="<f4")).all():
        raise InvalidFieldError(f"{field}.values", "finite values only")
    return Embedding(
        values=message.values,
        dimension_count=dimension_count,
        feature_space=require_sha256(f"{field}.feature_space", message.feature_space),
    )


def _read_neighbours(field: str, messages: Sequence[drift_pb2.Neighbour]) -> tuple[Neighbour, ...]:
    require_length(field, messages, 0, MAX_NEIGHBOURS)
    return tuple(
        Neighbour(
            sample_id=require_text(
                f"{field}[{index}].sample_id", message.sample_id, 1, MAX_LOOKUP_CHARACTERS
            ),
            label=require_text(f"{field}[{index}].label", message.label, 1, MAX_LABEL_CHARACTERS),
            distance=require_finite(f"{field}[{index}].distance", message.distance, 0),
        )
        for index, message in enumerate(messages)
    )


def _read_image(field: str, message: drift_pb2.Sample) -> StoredImage | None:
    """Its digest and kind; a picture has content and format, or neither."""
    if not message.image:
        if message.image_format:
            raise InvalidFieldError(f"{field}.image", "a picture of the stated format", "none")
        return None
    if len(message.image) > MAX_IMAGE_BYTES:
        raise InvalidFieldError(f"{field}.image", f"at most {MAX_IMAGE_BYTES} bytes", str(len(message.image)))
    image_format = read_enum(
        f"{field}.image_format", message.image_format, drift_pb2.ImageFormat, ImageFormat
    )
    if not message.image.startswith(_MAGIC[image_format]):
        raise InvalidFieldError(f"{field}.image", f"the bytes of a {image_format.value} picture")
    digest = hashlib.sha256(message.image).hexdigest()
    return StoredImage(format=image_format, sha256=digest, size_bytes=len(message.image))
