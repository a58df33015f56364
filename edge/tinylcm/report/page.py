"""A replay as one HTML file: the style and all plots are inside, it needs no network and no script."""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from tinylcm.report.chart import Chart, draw
from tinylcm.report.summary import summarise
from tinylcm.report.thinning import rolling_mean
from tinylcm.report.track import Drift, Track

ACCURACY_FRAMES = 100
"""Accuracy and confidence are drawn as means over so many frames."""

_STYLE = """
:root { color-scheme: light dark; --ground: #ffffff; --ink: #1f2328; --quiet: #5b636c; --rule: #d8dee4;
  --line: #0a62c9; --band: #0a62c930; --threshold: #8a5a00; --alarm: #c21f30; --recovery: #187a35;
  --drift: #c21f301c; }
@media (prefers-color-scheme: dark) { :root { --ground: #0e1116; --ink: #e6e9ee; --quiet: #98a2ae; --rule: #2c333c;
  --line: #58a6ff; --band: #58a6ff38; --threshold: #e0aa3e; --alarm: #ff7b72; --recovery: #56d364;
  --drift: #ff7b7226; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1040px; padding: 24px 20px 48px; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 22px; margin: 0 0 4px; } h2 { font-size: 16px; margin: 28px 0 8px; }
p { margin: 4px 0; } .quiet { color: var(--quiet); overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 20px 0; }
dl div { border: 1px solid var(--rule); border-radius: 6px; padding: 8px 12px; }
dt { color: var(--quiet); font-size: 13px; } dd { margin: 0; font-size: 20px; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 5px 12px 5px 0; border-bottom: 1px solid var(--rule); white-space: nowrap; }
td { vertical-align: top; } td:last-child { white-space: normal; min-width: 22em; }
th { color: var(--quiet); font-weight: 500; font-size: 13px; }
svg { display: block; width: 100%; height: auto; margin: 12px 0 4px; }
svg text { fill: var(--quiet); font: 12px system-ui, sans-serif; } svg .title { fill: var(--ink); font-size: 13px; }
.end { text-anchor: end; } .middle { text-anchor: middle; }
.grid { stroke: var(--rule); } .line { fill: none; stroke: var(--line); stroke-width: 1.4; stroke-linejoin: round; }
.band { fill: var(--band); } .drift { fill: var(--drift); }
.threshold { stroke: var(--threshold); stroke-width: 1.4; stroke-dasharray: 6 4; }
svg .threshold-name { fill: var(--threshold); }
.alarm { fill: var(--alarm); } .recovery { fill: var(--recovery); }
.key { color: var(--quiet); font-size: 13px; }
.key svg { display: inline; width: 12px; height: 10px; margin: 0 4px 0 10px; } .key svg:first-child { margin-left: 0; }
"""
_KEY = (
    '<p class="key">'
    '<svg viewBox="0 0 12 10"><path class="alarm" d="M6 10L11 0H1Z"/></svg>drift noticed'
    '<svg viewBox="0 0 12 10"><path class="recovery" d="M6 0L11 10H1Z"/></svg>drift over'
    '<svg viewBox="0 0 12 10"><rect class="drift" width="12" height="10"/></svg>'
    "from the estimated start of a drift to its end. A pale band runs from the smallest to the largest value where "
    "several frames share a pixel.</p>"
)
_COLUMNS = ("detector", "severity", "looks like", "shift", "began at", "noticed at", "over at", "in words")


def render(track: Track, *, title: str, facts: Mapping[str, str]) -> str:
    """Returns the whole page.

    Args:
        track: The replay; may be empty.
        title: What was replayed.
        facts: What people want to know of it, by name, e.g. the model; shown as given.
    """
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Replay of {escape(title)}</title><style>{_STYLE}</style></head><body>\n"
        f"<h1>Replay of {escape(title)}</h1>\n"
        f"{''.join(_fact(name, value) for name, value in facts.items())}"
        f"<dl>{''.join(_figure(name, value) for name, value in _figures(track).items())}</dl>\n"
        f"<h2>Drifts</h2>\n{_drift_table(track.drifts)}\n"
        f"<h2>Frame by frame</h2>\n{_KEY}\n"
        f"{''.join(draw(chart) for chart in charts(track))}\n"
        "</body></html>\n"
    )


def charts(track: Track) -> list[Chart]:
    """What the page draws: distances, every test, confidence and, where the truth is known, accuracy."""
    drifts = track.drifts
    drawn = [Chart(title="Mean distance to the neighbours", values=track.distances, drifts=drifts)]
    drawn += [
        Chart(
            title=f"{curve.detector}: statistic",
            values=curve.statistics,
            drifts=drifts,
            threshold=curve.threshold,
            peaks=True,
        )
        for curve in track.curves
    ]
    columns = {"Confidence": track.confidences, "Accuracy": track.correct}
    drawn += [
        Chart(
            title=f"{name}, mean of {ACCURACY_FRAMES} frames",
            values=rolling_mean(values, ACCURACY_FRAMES),
            drifts=drifts,
            top=1.0,
        )
        for name, values in columns.items()
        if np.isfinite(values).any()
    ]
    return drawn


def _figures(track: Track) -> dict[str, str]:
    summary = summarise(track)
    figures = {
        "frames": f"{summary['frame_count']:,}",
        "drifts": f"{len(track.drifts):,}",
        "share of frames in a drift": f"{summary['drifting_share']:.1%}",
    }
    for key, name in (
        ("accuracy", "accuracy"),
        ("accuracy_quiet", "accuracy while quiet"),
        ("accuracy_drifting", "accuracy in a drift"),
    ):
        if summary[key] is not None:
            figures[name] = f"{summary[key]:.1%}"
    if track.refusals:
        figures["frames refused"] = f"{len(track.refusals):,}"
    return figures


def _fact(name: str, value: str) -> str:
    return f'<p class="quiet">{escape(name)}: {escape(value)}</p>\n'


def _figure(name: str, value: str) -> str:
    return f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"


def _drift_table(drifts: Sequence[Drift]) -> str:
    if not drifts:
        return "<p>None was noticed.</p>"
    head = "".join(f"<th>{name}</th>" for name in _COLUMNS)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in _cells(d))}</tr>" for d in drifts)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _cells(drift: Drift) -> tuple[str, ...]:
    alarm = drift.alarm
    return (
        alarm.detector,
        alarm.severity.value.lower(),
        alarm.cause.value.lower().replace("_", " ") if alarm.cause else "–",
        f"{alarm.shift_sigma:+.2f} sigma",
        f"{alarm.start_index:,}",
        f"{alarm.detect_index:,}",
        "–" if drift.recovery_index is None else f"{drift.recovery_index:,}",
        alarm.description,
    )
