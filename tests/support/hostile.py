"""Hostile changes of a good request: every field in turn, each with what programs and people get wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

Change = Callable[[Any], None]

MANY = 1100  # more than any list of the contract may hold
TEXTS = ("", "\0", "x" * 100_000, "ä☃\U0001f600", "'; DROP TABLE samples; --", "../../etc/passwd")
VALUES: dict[int, Sequence[Any]] = {
    FieldDescriptor.CPPTYPE_BOOL: (True,),
    FieldDescriptor.CPPTYPE_DOUBLE: (float("nan"), float("inf"), -float("inf"), -1.0, 1e308),
    FieldDescriptor.CPPTYPE_ENUM: (0, 99, -1),
    FieldDescriptor.CPPTYPE_INT32: (0, -1, -(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (0, -1, -(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_STRING: TEXTS,
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
}
CONTENTS = (b"", b"\xff" * 7, bytes(100_000))


def changes(template: Message) -> Iterator[tuple[str, Change]]:
    """One change at a time of each field, inside every message that ``template`` holds.

    Yields:
        Where and what the change is, for people; the change, for a message like ``template``.
    """
    for field in template.DESCRIPTOR.fields:
        if _is_map(field):
            yield from _changes_of_map(field)
        elif field.is_repeated:
            yield from _changes_of_list(template, field)
        elif field.message_type is not None:
            yield from _changes_of_message(template, field)
        else:
            for value in _values(field):
                yield f"{field.name} = {value!r:.20}", partial(_set, field.name, value)


def _changes_of_message(template: Message, field: FieldDescriptor) -> Iterator[tuple[str, Change]]:
    name = field.name
    yield f"no {name}", lambda message: message.ClearField(name)
    yield f"empty {name}", lambda message: getattr(message, name).CopyFrom(type(getattr(message, name))())
    if template.HasField(name):
        for told, change in changes(getattr(template, name)):
            yield f"{name}.{told}", partial(_inside, lambda message: getattr(message, name), change)


def _changes_of_list(template: Message, field: FieldDescriptor) -> Iterator[tuple[str, Change]]:
    name = field.name
    yield f"no {name}", lambda message: message.ClearField(name)
    yield f"{name} x {MANY}", partial(_repeat, name)
    if field.message_type is None:
        for value in _values(field):
            yield f"{name} with {value!r:.20}", partial(_append, name, value)
    elif present := getattr(template, name):
        for told, change in changes(present[0]):
            yield f"{name}[0].{told}", partial(_inside, lambda message: getattr(message, name)[0], change)


def _changes_of_map(field: FieldDescriptor) -> Iterator[tuple[str, Change]]:
    value = field.message_type.fields_by_name["value"]
    for key in TEXTS:
        yield f"{field.name}[{key!r:.20}]", partial(_put, field.name, [key], value)
    yield f"{field.name} x {MANY}", partial(_put, field.name, [f"key-{n}" for n in range(MANY)], value)


def _set(name: str, value: Any, message: Any) -> None:
    setattr(message, name, value)


def _append(name: str, value: Any, message: Any) -> None:
    getattr(message, name).append(value)


def _repeat(name: str, message: Any) -> None:
    values = getattr(message, name)
    values.extend([values[0]] * MANY if values else [])


def _put(name: str, keys: Sequence[str], value: FieldDescriptor, message: Any) -> None:
    for key in keys:
        if value.message_type is None:
            getattr(message, name)[key] = TEXTS[-1]
        else:
            getattr(message, name)[key].SetInParent()


def _inside(enter: Callable[[Any], Any], change: Change, message: Any) -> None:
    change(enter(message))


def _values(field: FieldDescriptor) -> Sequence[Any]:
    return CONTENTS if field.type == FieldDescriptor.TYPE_BYTES else VALUES[field.cpp_type]


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry
