"""One line over the frames of a stream, as inline SVG; colours come from the page's style sheet."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, isfinite, log10

import numpy as np

from tinylcm.report.thinning import Column, Thinned, thin
from tinylcm.report.track import Drift

WIDTH, HEIGHT = 960, 214
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 12, 26, 28
_PLOT_WIDTH, _PLOT_HEIGHT = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM
_ENTRY_COUNT = _PLOT_WIDTH
_TICK_COUNT = 4
_TOP_IN_THRESHOLDS = 3
_MARK = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What to draw.

    Attributes:
        title: A few words; the unit belongs in it.
        values: ``(n,)``, NaN where unknown.
        drifts: Shaded, with a mark where each was noticed and where it ended.
        threshold: A dashed line, or None.
        peaks: Draws the largest value of every column of pixels in place of the mean.
        top: Upper end of the axis, or None for the data's own.
    """

    title: str
    values: Column
    drifts: Sequence[Drift] = ()
    threshold: float | None = None
    peaks: bool = False
    top: float | None = None


@dataclass(frozen=True, slots=True)
class _Plane:
    """Maps frames and values to pixels."""

    frame_count: int
    top: float

    def x(self, index: float) -> float:
        return _LEFT + _PLOT_WIDTH * index / max(self.frame_count - 1, 1)

    def y(self, value: float) -> float:
        return _TOP + _PLOT_HEIGHT * (1 - min(max(value / self.top, 0.0), 1.0))


def draw(chart: Chart) -> str:
    """Returns an ``<svg>`` element."""
    thinned = thin(chart.values, _ENTRY_COUNT)
    plane = _Plane(len(chart.values), chart.top or _top_of(thinned, chart.threshold))
    parts = [
        f'<text class="title" x="{_LEFT}" y="16">{escape(chart.title)}</text>',
        *_grid(plane),
        *(_shade(plane, drift) for drift in chart.drifts),
        *_line(plane, thinned, peaks=chart.peaks),
        *_threshold(plane, chart.threshold),
        *(mark for drift in chart.drifts for mark in _marks(plane, drift)),
    ]
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(chart.title)}">'
        f"{''.join(parts)}</svg>"
    )


def _top_of(thinned: Thinned, threshold: float | None) -> float:
    """The axis ends a little above what is drawn, but no few wild values flatten the rest."""
    known = thinned.high[np.isfinite(thinned.high)]
    largest = float(np.quantile(known, 0.995)) if len(known) else 0.0
    if threshold is not None:
        largest = min(max(largest, threshold), _TOP_IN_THRESHOLDS * threshold)
    return 1.08 * largest or 1.0


def _grid(plane: _Plane) -> list[str]:
    parts = []
    for value in ticks(plane.top):
        y = plane.y(value)
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}"/>')
        parts.append(f'<text class="tick end" x="{_LEFT - 6}" y="{y + 4:.1f}">{value:g}</text>')
    last = plane.frame_count - 1
    for index in ticks(last) if last > 0 else ():
        parts.append(
            f'<text class="tick middle" x="{plane.x(index):.1f}" y="{HEIGHT - 6}">{int(index):,}</text>'
        )
    return parts


def ticks(top: float, count: int = _TICK_COUNT) -> list[float]:
    """About ``count`` round numbers from 0 to ``top``.

    >>> ticks(0.93), ticks(12_345)
    ([0.0, 0.2, 0.4, 0.6, 0.8], [0.0, 2000.0, 4000.0, 6000.0, 8000.0, 10000.0, 12000.0])
    """
    if not (isfinite(top) and top > 0):
        return [0.0]
    power = 10.0 ** floor(log10(top / count))
    step = power * min((1, 2, 5, 10), key=lambda factor: abs(factor * power - top / count))
    return [round(number * step, 12) for number in range(ceil((top + step * 1e-9) / step))]


def _shade(plane: _Plane, drift: Drift) -> str:
    first = plane.x(drift.alarm.start_index)
    end = drift.recovery_index
    last = plane.x(plane.frame_count - 1 if end is None else end)
    width = max(last - first, 1.0)
    return f'<rect class="drift" x="{first:.1f}" y="{_TOP}" width="{width:.1f}" height="{_PLOT_HEIGHT}"/>'


def _line(plane: _Plane, thinned: Thinned, *, peaks: bool) -> list[str]:
    """A line, on a band from the smallest to the largest value where several frames share a pixel."""
    xs = [plane.x(float(start)) for start in thinned.starts]
    values = thinned.high if peaks else thinned.mean
    parts = []
    if not peaks and len(thinned.starts) < plane.frame_count:
        parts.append(f'<path class="band" d="{_band(plane, xs, thinned)}"/>')
    return [*parts, f'<path class="line" d="{_path(plane, xs, values)}"/>']


def _path(plane: _Plane, xs: Sequence[float], values: Column) -> str:
    """Begins anew after every gap."""
    commands, pen_is_up = [], True
    for x, value in zip(xs, values.tolist(), strict=True):
        if isfinite(value):
            commands.append(f"{'M' if pen_is_up else 'L'}{x:.1f} {plane.y(value):.1f}")
        pen_is_up = not isfinite(value)
    return "".join(commands)


def _band(plane: _Plane, xs: Sequence[float], thinned: Thinned) -> str:
    rows = [
        (x, low, high)
        for x, low, high in zip(xs, thinned.low.tolist(), thinned.high.tolist(), strict=True)
        if isfinite(low)
    ]
    outline = [f"{x:.1f} {plane.y(high):.1f}" for x, _, high in rows]
    outline += [f"{x:.1f} {plane.y(low):.1f}" for x, low, _ in reversed(rows)]
    return f"M{'L'.join(outline)}Z" if outline else ""


def _threshold(plane: _Plane, threshold: float | None) -> list[str]:
    if threshold is None:
        return []
    y = plane.y(threshold)
    return [
        f'<path class="threshold" d="M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}"/>',
        f'<text class="tick end threshold-name" x="{WIDTH - _RIGHT}" y="{y - 4:.1f}">threshold {threshold:.3g}</text>',
    ]


def _marks(plane: _Plane, drift: Drift) -> list[str]:
    """A triangle on the upper edge that points at an alarm, one below the lower edge for its recovery."""
    alarm = drift.alarm
    noticed = f"{alarm.detector}: noticed at frame {alarm.detect_index:,}"
    parts = [_mark("alarm", plane.x(alarm.detect_index), _TOP, noticed)]
    if drift.recovery_index is not None:
        ended = f"{alarm.detector}: over at frame {drift.recovery_index:,}"
        parts.append(_mark("recovery", plane.x(drift.recovery_index), _TOP + _PLOT_HEIGHT, ended))
    return parts


def _mark(kind: str, x: float, tip_y: float, words: str) -> str:
    base_y = tip_y - _MARK * 1.7 if kind == "alarm" else tip_y + _MARK * 1.7
    corners = f"M{x:.1f} {tip_y:.1f}L{x + _MARK:.1f} {base_y:.1f}H{x - _MARK:.1f}Z"
    return f'<path class="{kind}" d="{corners}"><title>{escape(words)}</title></path>'
