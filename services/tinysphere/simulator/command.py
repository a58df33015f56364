"""`tinysphere simulate`."""

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tinysphere.simulator.processes import OnProgress
    from tinysphere.simulator.simulation import Simulation

Targets = Callable[[], Mapping[str, str]]

MAX_DEVICES = 100_000
MAX_PROCESSES = 64


def add_simulate(app: typer.Typer, default_targets: Targets) -> None:
    """Adds the command to a program.

    Args:
        app: The program.
        default_targets: Where the services are when no option says so, by their names.
    """

    @app.command()
    def simulate(
        devices: Annotated[int, typer.Option(min=1, max=MAX_DEVICES, help="How many.")] = 100,
        seed: Annotated[
            int, typer.Option(min=0, help="Draws everything: the same seed, the same fleet.")
        ] = 0,
        duration: Annotated[float, typer.Option(min=0, help="Simulated seconds.")] = 600.0,
        speed: Annotated[
            float, typer.Option(min=0.01, max=100_000, help="Simulated seconds in a real one.")
        ] = 60.0,
        scenario: Annotated[str, typer.Option(help="A shipped scenario's name, or a TOML file.")] = "steady",
        processes: Annotated[int, typer.Option(min=1, max=MAX_PROCESSES, help="Spread over so many.")] = 1,
        ingestion: Annotated[str | None, typer.Option(help="Address of the ingestion service.")] = None,
        drift: Annotated[str | None, typer.Option(help="Address of the drift service.")] = None,
        distribution: Annotated[str | None, typer.Option(help="Address of the distribution service.")] = None,
        own_connections: Annotated[
            bool,
            typer.Option("--own-connections", help="Connections of its own for each device, as real ones."),
        ] = False,
        start_now: Annotated[
            bool, typer.Option("--start-now", help="Right clocks show the present date, not 2026-01-01.")
        ] = False,
        drain: Annotated[float, typer.Option(min=0, help="Real seconds to deliver what waits.")] = 120.0,
        check: Annotated[bool, typer.Option(help="Compare the server with what was sent.")] = True,
        json_path: Annotated[Path | None, typer.Option("--json", help="Write the summary here, too.")] = None,
    ) -> None:
        """Simulate a fleet: devices with drift, bad links, wrong clocks and power cuts, against running services.

        The last line is the summary as JSON; status 1 when something was lost, doubled or not delivered.
        """
        from tinysphere.simulator.script.scenario_file import load_scenario
        from tinysphere.simulator.simulation import START, Simulation

        told = {"ingestion": ingestion, "drift": drift, "distribution": distribution}
        simulation = Simulation(
            targets={**default_targets(), **{name: target for name, target in told.items() if target}},
            scenario=load_scenario(scenario),
            scenario_name=scenario,
            device_count=devices,
            seed=seed,
            duration_s=duration,
            speed=speed,
            start=datetime.now(UTC) if start_now else START,
            process_count=min(processes, devices),
            has_own_channels=own_connections,
            drain_s=drain,
            is_checked=check,
        )
        if not _run(simulation, json_path):
            raise typer.Exit(1)


def _run(simulation: "Simulation", json_path: Path | None) -> bool:
    """Runs and prints; whether all is well."""
    from tinysphere.simulator.processes import simulate

    with ExitStack() as stack:
        outcome = simulate(simulation, _progress(simulation, stack))
    line = json.dumps(outcome.summary())
    if json_path is not None:
        json_path.write_text(f"{line}\n", encoding="utf-8")
    print(line, flush=True)
    return outcome.is_good


def _progress(simulation: "Simulation", stack: ExitStack) -> "OnProgress":
    """A live table on a terminal, else nothing."""
    from rich.console import Console
    from rich.live import Live

    from tinysphere.simulator.screen import table

    console = Console(stderr=True)
    if not console.is_terminal:
        return lambda progress: None
    live = stack.enter_context(Live(console=console, refresh_per_second=2))
    return lambda progress: live.update(table(simulation, progress))
