"""Packages and samples from the contract's messages. What a newer server names that we do not know stays out."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
from google.protobuf.timestamp_pb2 import Timestamp

from tinymlops.v1 import drift_pb2, package_pb2
from tinysphere.domain.drift import Decision, ImageFormat
from tinysphere.domain.packages import (
    EntryKind,
    Package,
    PackageDescriptor,
    PackageFormat,
    PackageState,
    PackageStep,
    StepState,
)
from tinysphere.operating.export.records import JudgedSample
from tinysphere.rpc.checks import require_id, require_sha256
from tinysphere.rpc.nouns import enum_number, read_enum, read_model_reference, read_optional_enum


def read_package(message: package_pb2.Package) -> Package:
    """The record of a message."""
    return Package(
        descriptor=_descriptor(message.descriptor),
        state=read_enum("state", message.state, package_pb2.PackageState, PackageState),
        receive_time=_moment(message.receive_time),
        commit_time=_moment(message.commit_time) if message.HasField("commit_time") else None,
        process_time=_moment(message.process_time) if message.HasField("process_time") else None,
        error_reason=message.error_reason,
        error=message.error,
        steps=[
            _step(step)
            for step in message.steps
            if step.kind in package_pb2.EntryKind.DESCRIPTOR.values_by_number
        ],
    )


def state_number(state: PackageState | None) -> Any:
    """The contract's number; unspecified for None."""
    return enum_number(state, package_pb2.PackageState)


def read_judged_sample(message: drift_pb2.Sample) -> JudgedSample:
    """The record of a message.

    Raises:
        InvalidFieldError: A field breaks its stated limit; ids become names of files, so they are not trusted.
    """
    require_sha256("embedding.feature_space", message.embedding.feature_space)
    return JudgedSample(
        sample_id=require_id("sample_id", message.sample_id),
        device_id=message.device_id,
        drift_event_id=message.drift_event_id,
        model=read_model_reference("model", message.model),
        capture_time=_moment(message.capture_time),
        predicted_label=message.predicted_label,
        confidence=message.confidence,
        decision=read_enum("judged_decision", message.judged_decision, drift_pb2.Decision, Decision),
        label=message.judged_label,
        embedding=np.frombuffer(message.embedding.values, dtype="<f4"),
        image_format=read_optional_enum(
            "image_format", message.image_format, drift_pb2.ImageFormat, ImageFormat
        ),
    )


def _descriptor(message: package_pb2.PackageDescriptor) -> PackageDescriptor:
    return PackageDescriptor(
        package_id=message.package_id,
        device_id=message.device_id,
        format=read_enum("format", message.format, package_pb2.PackageFormat, PackageFormat),
        size_bytes=message.size_bytes,
        sha256=message.sha256,
        create_time=_moment(message.create_time),
    )


def _step(message: package_pb2.PackageStep) -> PackageStep:
    return PackageStep(
        kind=read_enum("kind", message.kind, package_pb2.EntryKind, EntryKind),
        state=read_enum("state", message.state, package_pb2.StepState, StepState),
        error=message.error,
        record_count=message.record_count,
        attempt_count=message.attempt_count,
    )


def _moment(message: Timestamp) -> datetime:
    return message.ToDatetime(tzinfo=UTC)
