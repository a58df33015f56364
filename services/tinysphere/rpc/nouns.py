"""Conversions of what the messages of several services share: enums, moments, model references.

Enums of the domain carry the contract's names without their prefix; UNSPECIFIED is None.
"""

from datetime import datetime
from enum import Enum
from typing import TypeVar

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.timestamp_pb2 import Timestamp

from tinymlops.v1 import device_pb2
from tinysphere.domain.devices import ModelReference
from tinysphere.rpc.checks import optional_enum, require_count, require_enum, require_sha256, require_text

MAX_MODEL_NAME_CHARACTERS = 128

EnumT = TypeVar("EnumT", bound=Enum)


def read_enum(field: str, number: int, descriptor: EnumDescriptor, enum: type[EnumT]) -> EnumT:
    """The domain's member; unspecified and unknown numbers raise InvalidFieldError."""
    name = descriptor.values_by_number[require_enum(field, number, descriptor)].name
    return enum(name.removeprefix(_prefix(descriptor)))


def read_optional_enum(
    field: str, number: int, descriptor: EnumDescriptor, enum: type[EnumT]
) -> EnumT | None:
    """As `read_enum`; None for unspecified."""
    if optional_enum(field, number, descriptor) is None:
        return None
    return read_enum(field, number, descriptor, enum)


def enum_number(member: Enum | None, descriptor: EnumDescriptor) -> int:
    """The contract's number; 0 for None."""
    if member is None:
        return 0
    return int(descriptor.values_by_name[_prefix(descriptor) + member.value].number)


def to_timestamp(moment: datetime | None) -> Timestamp | None:
    """An aware moment as a message; None stays None, which leaves the field out."""
    if moment is None:
        return None
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp


def read_model_reference(field: str, message: device_pb2.ModelReference) -> ModelReference:
    """Checks each part that is there; a device may run a bundle that no server knows."""
    return ModelReference(
        model_name=require_text(f"{field}.model_name", message.model_name, 0, MAX_MODEL_NAME_CHARACTERS),
        version=require_count(f"{field}.version", message.version),
        bundle_sha256=_optional_sha256(f"{field}.bundle_sha256", message.bundle_sha256),
        feature_space=_optional_sha256(f"{field}.feature_space", message.feature_space),
    )


def model_reference(model: ModelReference) -> device_pb2.ModelReference:
    """The contract's message."""
    return device_pb2.ModelReference(
        model_name=model.model_name,
        version=model.version,
        bundle_sha256=model.bundle_sha256,
        feature_space=model.feature_space,
    )


def _optional_sha256(field: str, value: str) -> str:
    return require_sha256(field, value) if value else ""


def _prefix(descriptor: EnumDescriptor) -> str:
    return str(descriptor.values_by_number[0].name).removesuffix("UNSPECIFIED")
