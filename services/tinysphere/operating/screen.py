"""What shows progress: bars on a terminal; elsewhere, a line for each change."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

ItemT = TypeVar("ItemT")


def bars(console: Console) -> Progress:
    """Bars, each with what is told of it beside."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[told]}"),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=console)


def printed(items: Iterable[ItemT], line_of: Callable[[ItemT], str], console: Console) -> Iterator[ItemT]:
    """Pass items on; a line is printed where it differs from the one before."""
    told = ""
    for item in items:
        line = line_of(item)
        if line != told:
            console.print(line)
            told = line
        yield item
