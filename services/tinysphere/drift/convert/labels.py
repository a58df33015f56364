"""Labels of the catalogue from and to messages."""

from tinymlops.v1 import review_pb2
from tinysphere.domain.labels import MAX_KEY_CHARACTERS, label_key, tidied
from tinysphere.domain.review import Label
from tinysphere.drift.convert.limits import MAX_LABEL_CHARACTERS
from tinysphere.errors import InvalidFieldError
from tinysphere.rpc.checks import require_text, shown
from tinysphere.rpc.nouns import to_timestamp


def require_label(field: str, value: str) -> str:
    """A name for a class, tidied; raises InvalidFieldError."""
    name = tidied(require_text(field, value, 1, MAX_LABEL_CHARACTERS))
    key = label_key(name)
    if not key or len(name) > MAX_LABEL_CHARACTERS or len(key) > MAX_KEY_CHARACTERS:
        raise InvalidFieldError(
            field, f"1 to {MAX_LABEL_CHARACTERS} characters after normalisation", shown(value)
        )
    return name


def label_message(label: Label) -> review_pb2.Label:
    """The contract's message."""
    return review_pb2.Label(
        name=label.name,
        aliases=label.aliases,
        sample_count=label.sample_count,
        creator=label.creator,
        create_time=to_timestamp(label.create_time),
    )
