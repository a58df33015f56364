"""Records in batches of bounded count and size."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

ItemT = TypeVar("ItemT")


def batches(
    items: Iterable[ItemT],
    *,
    max_count: int,
    max_bytes: int = 0,
    size_of: Callable[[ItemT], int] = lambda _: 0,
) -> Iterator[Sequence[ItemT]]:
    """Group items in order; an item that is too large by itself makes a batch of its own.

    >>> list(batches([3, 3, 9, 1], max_count=3, max_bytes=7, size_of=lambda item: item))
    [[3, 3], [9], [1]]
    """
    batch: list[ItemT] = []
    batch_bytes = 0
    for item in items:
        size = size_of(item)
        if batch and (len(batch) == max_count or batch_bytes + size > max_bytes):
            yield batch
            batch, batch_bytes = [], 0
        batch.append(item)
        batch_bytes += size
    if batch:
        yield batch
