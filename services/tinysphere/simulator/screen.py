"""A simulation for people: a table that lives while it runs."""

from rich.table import Table

from tinysphere.simulator.processes import Progress
from tinysphere.simulator.simulation import Simulation

_SHOWN_ERRORS = 6
_SHOWN_METHODS = ("Heartbeat", "PutPackage", "CreateUpload", "FetchFeedback", "CheckUpdate")


def table(simulation: Simulation, progress: Progress) -> Table:
    """How far it came."""
    counts = progress.tally.counts
    shown = Table(title=_title(simulation, progress), title_justify="left", show_header=False, min_width=72)
    shown.add_column(style="bold")
    shown.add_column()
    shown.add_row("packages", _named(counts, "packages", "made", "committed", "duplicate", "refused"))
    shown.add_row(
        "uploads",
        f"{counts['bytes_sent'] / 2**20:,.1f} MiB, {counts['bytes_resent'] / 2**20:,.1f} MiB again,"
        f" {progress.tally.gauges['streams_open']} streams open",
    )
    shown.add_row("heartbeats", f"{counts['heartbeats']:,}")
    shown.add_row("feedback", _named(counts, "feedback", "fetched", "applied", "rejected"))
    shown.add_row("updates", _named(counts, "updates", "offered", "committed", "rolled_back"))
    shown.add_row("faults", _named(counts, "faults", "refused", "cut", "stall", "lost_reply"))
    shown.add_row("power cuts", f"{counts['power_cuts']:,}")
    for method in _SHOWN_METHODS:
        if latencies := progress.tally.latencies.get(method):
            quantiles = ", ".join(
                f"p{share} {latencies.percentile_ms(share / 100):,.0f}" for share in (50, 95, 99)
            )
            shown.add_row(f"{method}, ms", quantiles)
    for error, count in progress.tally.errors.most_common(_SHOWN_ERRORS):
        shown.add_row("error", f"{count:,} {error}")
    return shown


def _title(simulation: Simulation, progress: Progress) -> str:
    phases = ", ".join(sorted(set(progress.phases.values())))
    at_s = min(progress.at_s, simulation.duration_s)
    return (
        f"{simulation.device_count:,} devices, {simulation.scenario_name}, seed {simulation.seed}:"
        f" {at_s:,.0f} of {simulation.duration_s:,.0f} s, {phases}"
    )


def _named(counts: dict[str, int], prefix: str, *names: str) -> str:
    return ", ".join(f"{counts.get(f'{prefix}_{name}', 0):,} {name.replace('_', ' ')}" for name in names)
