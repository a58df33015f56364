"""`tinysphere packages list | watch | retry`."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from tinysphere.domain.packages import Package, PackageState, StepState
from tinysphere.settings import Settings

if TYPE_CHECKING:
    from tinysphere.operating.client.packages import PackagesClient

app = typer.Typer(no_args_is_help=True, help="Packages at a running server.")

PackageId = Annotated[str, typer.Argument(help="Id of the package.")]
Server = Annotated[str, typer.Option("--server", help="host:port; TINYSPHERE_INGESTION_TARGET when empty.")]

_FINAL = (PackageState.PROCESSED, PackageState.FAILED)


@app.command("list")
def list_packages(
    device: Annotated[str, typer.Option(help="Only packages of this device.")] = "",
    state: Annotated[PackageState | None, typer.Option(help="Only packages in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, the newest.")] = 20,
    server: Server = "",
) -> None:
    """List packages, newest first: when, which, of whom, in what state, and why."""
    with _connected(server) as client:
        for package in client.newest(device, state, limit):
            of = package.descriptor
            size = f"{of.size_bytes:>10} B"
            print(
                f"{_shown(package.receive_time)}  {of.package_id}  {of.device_id}  {size}  {_told(package)}"
            )


@app.command()
def watch(package_id: PackageId, server: Server = "") -> None:
    """Follow a package until it is processed; exits with 1 when it failed."""
    with _connected(server) as client:
        _follow(client, package_id)


@app.command()
def retry(
    package_id: PackageId,
    follow: Annotated[bool, typer.Option("--watch", help="Follow it until it is processed.")] = False,
    server: Server = "",
) -> None:
    """Process the failed steps of a package again; those that succeeded are left alone."""
    with _connected(server) as client:
        print(_told(client.retry(package_id)))
        if follow:
            _follow(client, package_id)


def _follow(client: "PackagesClient", package_id: str) -> None:
    from tinysphere.operating.package_progress import shown

    last: Package | None = None
    while last is None or last.state not in _FINAL:
        for package in shown(client.watch(package_id)):
            last = package
    print(_told(last))
    for step in last.steps:
        if step.state is StepState.FAILED:
            print(f"{step.kind.value}: {step.error}")
    raise typer.Exit(last.state is PackageState.FAILED)


def _told(package: Package) -> str:
    """State and steps in one line; the records of each step, or what became of it."""
    steps = [
        f"{step.kind.value} {step.record_count if step.state is StepState.SUCCEEDED else step.state.value}"
        for step in package.steps
    ]
    reason = f" {package.error_reason}: {package.error}" if package.error_reason else ""
    return f"{package.state.value}{reason}{': ' if steps else ''}{', '.join(steps)}"


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}Z"


@contextmanager
def _connected(server: str) -> "Iterator[PackagesClient]":
    from tinysphere.operating.client.packages import PackagesClient  # takes a second: --help need not wait

    client = PackagesClient(server or Settings().ingestion_target)
    try:
        yield client
    finally:
        client.close()
