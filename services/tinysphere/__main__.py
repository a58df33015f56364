"""The command line: `tinysphere serve ...`, and what `tinysphere.commands` offers."""

import logging
from enum import StrEnum
from typing import Annotated

import typer

from tinysphere import commands
from tinysphere.errors import TinySphereError
from tinysphere.operating import packages, rollouts
from tinysphere.operating.export.command import export_samples
from tinysphere.settings import Settings
from tinysphere.simulator.command import add_simulate

app = typer.Typer(
    name="tinysphere", no_args_is_help=True, help="The server of TinyMLOps.", pretty_exceptions_enable=False
)


class ServiceName(StrEnum):
    """What `serve` can serve."""

    ingestion = "ingestion"
    drift = "drift"
    distribution = "distribution"
    all = "all"


@app.command()
def serve(
    services: Annotated[list[ServiceName], typer.Argument(help="Which services; `all` for the three.")],
) -> None:
    """Serve gRPC until SIGTERM or SIGINT. Settings come from TINYSPHERE_* environment variables."""
    from tinysphere import bootstrap  # the server's libraries take a second; --help need not wait

    names = set(bootstrap.SERVICES) if ServiceName.all in services else {name.value for name in services}
    bootstrap.serve(Settings(), names)


for command in (
    commands.worker,
    commands.migrate,
    commands.ready,
    commands.doctor,
    commands.gc,
    commands.forget,
):
    app.command()(command)
app.add_typer(packages.app, name="packages")
app.add_typer(rollouts.app, name="rollout")
app.command("export")(export_samples)


def _targets() -> dict[str, str]:
    settings = Settings()
    return {
        "ingestion": settings.ingestion_target,
        "drift": settings.drift_target,
        "distribution": settings.distribution_address,
    }


add_simulate(app, _targets)


def main() -> None:
    """Entry point."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        app()
    except TinySphereError as error:
        raise SystemExit(f"{error.reason}: {error}") from error


if __name__ == "__main__":
    main()
