"""A device's end, a server's end, and the line between them: the shape of every tier of the rig."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rig.quality import PERFECT, LinkQuality, Outages


class UnsupportedQualityError(Exception):
    """A tier cannot make such a link."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The addresses of one service: where it listens, where the device finds it, where a test does beside the line."""

    listen: str
    target: str
    beside: str


class Line(ABC):
    """Use as a context manager; everything it made is gone afterwards.

    Start the server's program with `server_prefix` before its command and the device's with `device_prefix`.

    Attributes:
        routes: By the names of the services.
        device_prefix: What runs a program at the device's end.
        server_prefix: What runs a program at the server's end.
    """

    can: frozenset[str]
    """Fields of `LinkQuality` that this tier can make."""

    def __init__(self) -> None:
        self.routes: Mapping[str, Route] = {}
        self.device_prefix: tuple[str, ...] = ()
        self.server_prefix: tuple[str, ...] = ()
        self._stack = ExitStack()
        self._schedule: threading.Thread | None = None
        self._schedule_over = threading.Event()

    def __enter__(self) -> Self:
        try:
            self._build(self._stack)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_schedule()
        self._stack.close()

    def shape(self, quality: LinkQuality) -> None:
        """Makes the line so from now on; the first outage comes after its first time up.

        Raises:
            UnsupportedQualityError: This tier cannot.
        """
        wanted = {name for name in LinkQuality.__slots__ if getattr(quality, name) != getattr(PERFECT, name)}
        if unable := wanted - self.can:
            raise UnsupportedQualityError(f"{type(self).__name__} has no {', '.join(sorted(unable))}")
        self._end_schedule()
        self._apply(quality)
        if quality.outages is not None:
            self._begin_schedule(quality.outages)

    @abstractmethod
    def blackhole(self) -> None:
        """Swallows everything both ways, and tells nobody."""

    @abstractmethod
    def heal(self) -> None:
        """Ends a blackhole."""

    @abstractmethod
    def _build(self, stack: ExitStack) -> None:
        """Makes ends, routes and a perfect line; ``stack`` undoes it."""

    @abstractmethod
    def _apply(self, quality: LinkQuality) -> None:
        """Makes the line so, apart from outages."""

    def _begin_schedule(self, outages: Outages) -> None:
        self._schedule_over = threading.Event()
        self._schedule = threading.Thread(
            target=self._follow, args=(outages, self._schedule_over), name="outages", daemon=True
        )
        self._schedule.start()

    def _end_schedule(self) -> None:
        self._schedule_over.set()
        if self._schedule is not None:
            self._schedule.join()
            self._schedule = None

    def _follow(self, outages: Outages, over: threading.Event) -> None:
        while not over.wait(outages.every_s - outages.length_s):
            self.blackhole()
            over.wait(outages.length_s)
            self.heal()
