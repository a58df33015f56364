"""Hostile requests of any method: drawn from its descriptor, from good requests, and from what the server answered."""

from __future__ import annotations

import random
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from tests.support.hostile import CONTENTS, VALUES, Change, changes

_DEEPEST = 6
_MOST_KNOWN = 50  # of one field's name: the newest
_HOSTILITY = (0.0, 0.0, 0.1, 0.5)  # chances of a hostile value in each field of a drawn message
_USUAL_NUMBERS = (0, 1, 2, 10, 1_795_000_000)
_SPECIALS = (0x00, 0x7F, 0x80, 0xFF)


class Known:
    """Texts the server would know again, by the name of their field; "upload_id" of one message fits another's."""

    def __init__(self) -> None:
        self._texts: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=_MOST_KNOWN))

    def learn(self, message: Message) -> None:
        """Remembers every text of a message, its lists' first three elements included."""
        for field, value in message.ListFields():
            if field.message_type is not None and field.message_type.GetOptions().map_entry:
                continue
            for one in list(value)[:3] if field.is_repeated else [value]:
                if isinstance(one, Message):
                    self.learn(one)
                elif isinstance(one, str):
                    self._texts[field.name.removeprefix("next_")].append(one)

    def draw(self, name: str, rng: random.Random) -> str:
        """A text that fits the field; a new id when none is known."""
        texts = [*self._texts.get(name.removesuffix("s"), ()), *self._texts.get(name, ())]
        return rng.choice(texts) if texts else str(uuid.UUID(bytes=rng.randbytes(16), version=4))


class Fuzzer:
    """Draws the bytes of one hostile request."""

    def __init__(self, known: Known, rng: random.Random) -> None:
        self._known = known
        self._rng = rng
        self._hostility = 0.0
        self._changes: dict[str, Sequence[Change]] = {}

    def of_one(self, input_type: Descriptor, good: Message | None) -> bytes:
        """For a method that takes one message; ``good`` is a good request of it, if there is one."""
        self._hostility = self._rng.choice(_HOSTILITY)
        kinds: Sequence[Callable[[], bytes]] = (
            lambda: self._rng.randbytes(self._rng.choice((0, 1, 7, 60, 1000, 20_000))),
            lambda: self.damaged((good or self._drawn(input_type)).SerializeToString()),
            lambda: self._changed(good or self._drawn(input_type)),
            lambda: self._drawn(input_type).SerializeToString(),
            lambda: (good or self._drawn(input_type)).SerializeToString(),
        )
        return self._rng.choices(kinds, weights=(10, 25, 30, 30, 5))[0]()

    def of_stream(self, input_type: Descriptor, good: Sequence[Message]) -> list[bytes]:
        """For a method that takes a stream: drawn messages, or a good stream in a wrong order."""
        if not good or self._rng.random() < 0.4:
            return [self.of_one(input_type, None) for _ in range(self._rng.randrange(6))]
        contents = [message.SerializeToString() for message in good]
        for _ in range(self._rng.randrange(3)):
            self._disorder(contents)
        return contents

    def damaged(self, content: bytes) -> bytes:
        """A few bytes changed, lost, doubled or put in."""
        result = bytearray(content)
        for _ in range(self._rng.randint(1, 4)):
            at = self._rng.randrange(len(result) + 1)
            length = self._rng.choice((1, 1, 2, 8, 100))
            replacement = self._rng.choice(
                (
                    b"",
                    self._rng.randbytes(length),
                    bytes([self._rng.choice(_SPECIALS)]) * length,
                    bytes(result[at : at + length]) * 2,
                )
            )
            result[at : at + length] = replacement
        return bytes(result)

    def _disorder(self, contents: list[bytes]) -> None:
        if not contents:
            return
        at, other = (self._rng.randrange(len(contents)) for _ in range(2))
        action = self._rng.randrange(5)
        if action == 0:
            contents[at], contents[other] = contents[other], contents[at]
        elif action == 1:
            contents.insert(at, contents[other])
        elif action == 2:
            del contents[at]
        elif action == 3:
            contents[at] = self.damaged(contents[at])
        else:
            del contents[at:]

    def _changed(self, good: Message) -> bytes:
        """One to three fields with what programs and people get wrong."""
        known = self._changes.setdefault(good.DESCRIPTOR.full_name, [change for _, change in changes(good)])
        request = type(good)()
        request.CopyFrom(good)
        for _ in range(self._rng.randint(1, 3)):
            try:
                self._rng.choice(known or [lambda _: None])(request)
            except IndexError:  # a change before it emptied its list
                continue
        return request.SerializeToString()

    def _drawn(self, descriptor: Descriptor, depth: int = 0) -> Message:
        message = message_factory.GetMessageClass(descriptor)()
        for field in descriptor.fields:
            if self._rng.random() < 0.6 and depth < _DEEPEST:
                self._fill(message, field, depth)
        return message

    def _fill(self, message: Message, field: FieldDescriptor, depth: int) -> None:
        name: str = field.name
        target: Any = getattr(message, name)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            self._fill_map(target, field.message_type.fields_by_name)
        elif field.is_repeated:
            for _ in range(self._rng.randrange(4)):
                if field.message_type is None:
                    target.append(self._value(field))
                else:
                    target.add().CopyFrom(self._drawn(field.message_type, depth + 1))
        elif field.message_type is not None:
            target.CopyFrom(self._drawn(field.message_type, depth + 1))
        else:
            setattr(message, name, self._value(field))

    def _fill_map(self, target: Any, parts: Mapping[str, FieldDescriptor]) -> None:
        key = self._value(parts["key"])
        if parts["value"].message_type is None:
            target[key] = self._value(parts["value"])
        else:
            target[key].SetInParent()

    def _value(self, field: FieldDescriptor) -> Any:
        if self._rng.random() < self._hostility:
            is_bytes = field.type == FieldDescriptor.TYPE_BYTES
            return self._rng.choice(CONTENTS if is_bytes else VALUES.get(field.cpp_type, (0,)))
        if field.type == FieldDescriptor.TYPE_BYTES:
            return self._rng.randbytes(40)
        if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
            return self._known.draw(field.name, self._rng)
        if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
            return self._rng.choice(list(field.enum_type.values_by_number))
        if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
            return self._rng.random() < 0.5
        return self._rng.choice(_USUAL_NUMBERS)
