"""What a channel's URL says by itself, and what of it people may see. Pure."""

import re
from collections.abc import Iterable
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from tinysphere.notification.channels import ChannelError

MAX_URL_CHARACTERS = 1024
HIDDEN = "****"

_SCHEMA = re.compile(r"([A-Za-z][A-Za-z0-9]{0,31})://")
# Values that make Apprise read or write files of the server.
_FILES = frozenset(
    ("template", "pgp", "pgpkey", "pgppub", "pgpprv", "wkd", "keyfile", "attach", "config", "store")
)
# What a person wants to recognise a channel by; everything else behind the question mark is left out.
_TELLING = frozenset(("to", "cc", "from", "name", "channel", "priority"))
_WEBHOOKS = ("json", "jsons", "xml", "xmls", "form", "forms")
_TOKEN_CHARACTERS = 8  # a longer part of a webhook's path may well be its secret


def schema_of(url: str) -> str:
    """What stands before "://", in lower case.

    Raises:
        ChannelError: Nothing does.
    """
    found = _SCHEMA.match(url)
    if found is None or not url.isprintable():
        raise ChannelError("expected a URL as Apprise writes it, e.g. mailtos://user:secret@example.org")
    return found.group(1).lower()


def refuse_local_files(parameters: Iterable[str]) -> None:
    """Refuse what would make the server read or write files of its own.

    Args:
        parameters: Names behind the question mark, in lower case, as Apprise itself reads them.

    Raises:
        ChannelError: One of them names a file.
    """
    for name in parameters:
        if name in _FILES or name.startswith("pgp"):
            raise ChannelError(f"parameter {name!r} is not allowed here: it names files of the server")


def without_secrets(url: str, private: str) -> str:
    """A URL for people.

    Args:
        url: As it was given.
        private: As Apprise shows it: passwords and tokens left out, but neither headers nor parts of a path.
    """
    base, _, query = private.partition("?")
    if schema_of(url) in _WEBHOOKS:
        base = _short_path(base)
    given = {name for name, _ in parse_qsl(url.partition("?")[2])} & _TELLING
    told = [(name, value) for name, value in parse_qsl(query) if name in given]
    return f"{base}?{urlencode(told, safe='@,')}" if told else base


def is_redacted(url: str) -> bool:
    """Whether it is one that `without_secrets` made, or somebody wrote in its likeness."""
    return HIDDEN in url or re.search(r"(?<!\.)\.\.\.(?!\.)", url) is not None


def _short_path(base: str) -> str:
    parts = urlsplit(base)
    path = "/".join(_short(unquote(part)) for part in parts.path.split("/"))
    return f"{parts.scheme}://{parts.netloc}{path}"


def _short(part: str) -> str:
    return quote(part) if len(part) <= _TOKEN_CHARACTERS else f"{quote(part[0])}...{quote(part[-1])}"
