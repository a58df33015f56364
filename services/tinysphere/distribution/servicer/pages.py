"""Keys of pages whose sort key has one part."""

from typing import TypeVar

from tinysphere.rpc.paging import Page

PartT = TypeVar("PartT", str, int)


def after_key(page: Page, kind: type[PartT]) -> PartT | None:
    """The only part of the sort key; `read_page` has checked its type."""
    part = page.after[0] if page.after else None
    return part if isinstance(part, kind) else None
