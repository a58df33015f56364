"""Packages from the contract's messages. What a newer server names that we do not know stays out."""

from typing import Any

from tinymlops.v1 import package_pb2
from tinysphere.domain.packages import (
    EntryKind,
    Package,
    PackageDescriptor,
    PackageFormat,
    PackageState,
    PackageStep,
    StepState,
)
from tinysphere.operating.convert.moments import read_moment
from tinysphere.rpc.nouns import enum_number, read_enum


def read_package(message: package_pb2.Package) -> Package:
    """The record of a message."""
    return Package(
        descriptor=_descriptor(message.descriptor),
        state=read_enum("state", message.state, package_pb2.PackageState, PackageState),
        receive_time=read_moment(message.receive_time),
        commit_time=read_moment(message.commit_time) if message.HasField("commit_time") else None,
        process_time=read_moment(message.process_time) if message.HasField("process_time") else None,
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


def _descriptor(message: package_pb2.PackageDescriptor) -> PackageDescriptor:
    return PackageDescriptor(
        package_id=message.package_id,
        device_id=message.device_id,
        format=read_enum("format", message.format, package_pb2.PackageFormat, PackageFormat),
        size_bytes=message.size_bytes,
        sha256=message.sha256,
        create_time=read_moment(message.create_time),
    )


def _step(message: package_pb2.PackageStep) -> PackageStep:
    return PackageStep(
        kind=read_enum("kind", message.kind, package_pb2.EntryKind, EntryKind),
        state=read_enum("state", message.state, package_pb2.StepState, StepState),
        error=message.error,
        record_count=message.record_count,
        attempt_count=message.attempt_count,
    )
