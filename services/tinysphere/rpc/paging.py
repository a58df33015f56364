"""Key-set paging: a page starts after the sort key of the row before, so it costs the same however deep.

A token is opaque to callers: a checksum, and the filters it was made for beside the key.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from tinysphere.errors import InvalidFieldError, InvalidRequestError

KeyPart = str | int
Key = tuple[KeyPart, ...]

MAX_TOKEN_CHARACTERS = 2048
_CHECKSUM_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What one List request asks for: at most ``size`` rows, those with a sort key beyond ``after``."""

    size: int
    after: Key | None


def read_page(
    page_size: int,
    page_token: str,
    *,
    filters: str,
    default: int = 100,
    maximum: int = 500,
    key: Sequence[type[KeyPart]] | None = None,
) -> Page:
    """Read the paging fields of a request.

    Args:
        page_size: As the request carries it; 0 means ``default``.
        page_token: As the request carries it; empty for the first page.
        filters: Anything that names the request's filters; a token is refused with other ones.
        default: Rows on a page when the request does not say.
        maximum: Most rows a request may ask for.
        key: Types of the sort key's parts, checked when given.

    Raises:
        InvalidFieldError: ``page_size`` is out of range.
        InvalidRequestError: INVALID_PAGE_TOKEN, the token is not one made for these filters.
    """
    if not 0 <= page_size <= maximum:
        raise InvalidFieldError("page_size", f"0 to {maximum}", str(page_size))
    after = _read_token(page_token, filters) if page_token else None
    if after is not None and key is not None and [type(part) for part in after] != list(key):
        raise _invalid_token()
    return Page(size=page_size or default, after=after)


def next_token(after: Key, filters: str) -> str:
    """Make the token of the page that starts beyond the sort key ``after``."""
    content = json.dumps([filters, *after]).encode()
    # The filters are part of the checksum only, so that long ones do not travel.
    return base64.urlsafe_b64encode(_checksum(content) + json.dumps(after).encode()).decode()


def _read_token(token: str, filters: str) -> Key:
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise _invalid_token()
    try:
        raw = base64.b64decode(token, altchars=b"-_", validate=True)
        parts = json.loads(raw[_CHECKSUM_BYTES:])
    except (binascii.Error, ValueError, RecursionError) as error:
        raise _invalid_token() from error
    if not isinstance(parts, list) or not all(type(part) in (str, int) for part in parts):
        raise _invalid_token()
    if raw[:_CHECKSUM_BYTES] != _checksum(json.dumps([filters, *parts]).encode()):
        raise _invalid_token()
    return tuple(parts)


def _checksum(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()[:_CHECKSUM_BYTES]


def _invalid_token() -> InvalidRequestError:
    return InvalidRequestError(
        "INVALID_PAGE_TOKEN", "page_token: expected a token this method returned for the same filters"
    )
