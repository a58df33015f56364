"""Conversions of what the messages of several services share: enums, moments, model references.

Enums of the domain carry the contract's names without their prefix; UNSPECIFIED is None.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, TypeVar

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.timestamp_pb2 import Timestamp

from tinymlops.v1 import device_pb2
from tinysphere.domain.devices import ModelReference
from tinysphere.rpc.checks import require_count, require_enum, require_sha256, require_text

if TYPE_CHECKING:  # the generic wrapper exists in the stubs only
    from google.protobuf.internal.enum_type_wrapper import _EnumTypeWrapper as Wrapper

MAX_MODEL_NAME_CHARACTERS = 128

EnumT = TypeVar("EnumT", bound=Enum)
NumberT = TypeVar("NumberT", bound=int)


def read_enum(field: str, number: NumberT, wrapper: Wrapper[NumberT], enum: type[EnumT]) -> EnumT:
    """The domain's member; unspecified and unknown numbers raise InvalidFieldError.

    Args:
        field: Path of the field in the request.
        number: What came.
        wrapper: The contract's enum, e.g. ``drift_pb2.Decision``.
        enum: The domain's enum of that name.
    """
    require_enum(field, number, wrapper.DESCRIPTOR)
    return enum(wrapper.Name(number).removeprefix(_prefix(wrapper.DESCRIPTOR)))


def read_optional_enum(
    field: str, number: NumberT, wrapper: Wrapper[NumberT], enum: type[EnumT]
) -> EnumT | None:
    """As `read_enum`; None for unspecified."""
    return None if number == 0 else read_enum(field, number, wrapper, enum)


def enum_number(member: Enum | None, wrapper: Wrapper[NumberT]) -> NumberT:
    """The contract's number; unspecified for None."""
    return wrapper.Value(_prefix(wrapper.DESCRIPTOR) + ("UNSPECIFIED" if member is None else member.value))


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
