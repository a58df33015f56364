"""How far a long run has come, for people, on stderr."""

from typing import TextIO

from tinylcm.ports import Clock

_WIDTH = 24
_REDRAW_S = 0.1
_REPORT_S = 10.0


class ProgressBar:
    """A bar that redraws itself on a terminal, and a line now and then in a log.

    Use it as a context; `advance` costs a comparison when nothing is due.
    """

    def __init__(self, total: int, unit: str, *, stream: TextIO, clock: Clock) -> None:
        self._total = total
        self._unit = unit
        self._stream = stream
        self._clock = clock
        self._is_terminal = stream.isatty()
        self._started_s = self._shown_s = clock.monotonic_s()
        self._done = self._shown_done = 0
        self._note = ""

    def __enter__(self) -> "ProgressBar":
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown_done < self._done or not self._done:
            self._show()
        if self._is_terminal:
            self._stream.write("\n")
        self._stream.flush()

    @property
    def elapsed_s(self) -> float:
        """Seconds since it was made."""
        return self._clock.monotonic_s() - self._started_s

    def advance(self, note: str = "", *, by: int = 1) -> None:
        """Counts so many more; ``note`` stands behind the bar."""
        self._done += by
        self._note = note
        due_s = _REDRAW_S if self._is_terminal else _REPORT_S
        if self._clock.monotonic_s() - self._shown_s >= due_s:
            self._show()

    def _show(self) -> None:
        self._shown_s = self._clock.monotonic_s()
        self._shown_done = self._done
        line = self._line()
        self._stream.write(f"\r\x1b[K{line}" if self._is_terminal else f"{line}\n")
        self._stream.flush()

    def _line(self) -> str:
        share = self._done / self._total if self._total else 1.0
        filled = int(_WIDTH * share)
        bar = "#" * filled + "." * (_WIDTH - filled)
        rate = self._done / max(self.elapsed_s, 1e-9)
        counts = f"{self._done:,} of {self._total:,} {self._unit}, {rate:,.0f} a second"
        return f"[{bar}] {share:4.0%}  {counts}  {self._note}".rstrip()
