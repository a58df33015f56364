"""`tinysphere rollout create | list | show | watch | approve | start | pause | resume | abort | retry`."""

import getpass
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from tinysphere.domain.ids import new_id
from tinysphere.domain.rollout_plans import AT_ONCE, FailureAction, Strategy, Wave
from tinysphere.domain.rollouts import Rollout, RolloutState
from tinysphere.settings import Settings

if TYPE_CHECKING:
    from tinysphere.operating.client.rollouts import RolloutsClient

app = typer.Typer(no_args_is_help=True, help="Rollouts at a running server.")

POLL_INTERVAL_S = 1.0

RolloutId = Annotated[str, typer.Argument(help="Id of the rollout.")]
Server = Annotated[
    str, typer.Option("--server", help="host:port; TINYSPHERE_DISTRIBUTION_ADDRESS when empty.")
]
Operator = Annotated[str, typer.Option("--operator", help="Who does it; the user of this shell when empty.")]

_STANDING_STILL = (RolloutState.SUCCEEDED, RolloutState.ABORTED, RolloutState.PAUSED)


@app.command()
def create(
    model: Annotated[str, typer.Argument(help="Name of the model.")],
    version: Annotated[int, typer.Argument(min=1, help="Version of the model.")],
    label: Annotated[list[str] | None, typer.Option(help="Targets carry this label, as key=value.")] = None,
    waves: Annotated[str, typer.Option(help="Percentages of the targets, one for each wave: 1,10,100.")] = "",
    success: Annotated[float, typer.Option(min=0, max=1, help="Share of a wave that must run it.")] = 1.0,
    failure: Annotated[float, typer.Option(min=0, max=1, help="Share of the decided that may fail.")] = 0.1,
    minimum: Annotated[int, typer.Option(min=0, help="Devices that must be decided in a wave.")] = 0,
    soak_minutes: Annotated[float, typer.Option(min=0, help="How long a wave must stay successful.")] = 0,
    rollback_version: Annotated[
        int, typer.Option(min=0, help="Version to return to when a wave fails; 0 pauses instead.")
    ] = 0,
    offers_per_minute: Annotated[int, typer.Option(min=0, help="0 for no limit.")] = 0,
    approval: Annotated[bool, typer.Option(help="Somebody else must approve the start.")] = False,
    operator: Operator = "",
    server: Server = "",
) -> None:
    """Make a draft of a rollout; prints its id. Finer plans go through grpcurl, see docs/rollouts.md."""
    from tinysphere.operating.convert.rollouts import NewRollout

    steps = [
        Wave(
            name=f"{percent} %",
            percent=float(percent),
            success_share=success,
            failure_share=failure,
            minimum_device_count=minimum,
            soak=timedelta(minutes=soak_minutes),
        )
        for percent in waves.split(",")
        if percent
    ]
    strategy = Strategy(
        waves=tuple(steps) or AT_ONCE.waves,
        on_failure=FailureAction.ROLLBACK if rollback_version else FailureAction.PAUSE,
        approval_required=approval,
        offers_per_minute=offers_per_minute,
        rollback_version=rollback_version,
    )
    labels = dict(one.split("=", 1) for one in label or ())
    with _connected(server, operator) as client:
        wanted = NewRollout(
            rollout_id=new_id(), model_name=model, version=version, target_labels=labels, strategy=strategy
        )
        print(client.create(wanted).rollout_id)


@app.command("list")
def list_rollouts(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, the newest.")] = 20,
    server: Server = "",
) -> None:
    """List rollouts, newest first."""
    with _connected(server) as client:
        for rollout in client.newest(limit):
            model = f"{rollout.model.model_name} {rollout.model.version}"
            print(f"{_shown(rollout.create_time)}  {rollout.rollout_id}  {model}  {_told(rollout)}")


@app.command()
def show(rollout_id: RolloutId, server: Server = "") -> None:
    """Show a rollout with its waves, and what was decided about it."""
    with _connected(server) as client:
        rollout = client.get(rollout_id)
        print(f"{rollout.model.model_name} {rollout.model.version}: {_told(rollout)}")
        for wave, reached in zip(rollout.strategy.waves, rollout.progress, strict=False):
            figures = (
                f"{reached.committed_count} run it, {reached.failed_count} failed, of {reached.device_count}"
            )
            print(f"  {wave.name}: {figures}{'' if reached.open_time else ' (not open)'}")
        for one in client.decisions(rollout_id):
            reason = f": {one.reason}" if one.reason else ""
            print(f"{_shown(one.decide_time)}  {one.action.value} by {one.actor}{reason}")


@app.command()
def watch(rollout_id: RolloutId, server: Server = "") -> None:
    """Follow a rollout until it succeeds, stops or is aborted; exits with 1 unless it succeeded."""
    from tinysphere.operating.rollout_progress import shown

    with _connected(server) as client:
        last: Rollout | None = None
        for rollout in shown(_until_still(client, rollout_id)):
            last = rollout
    if last is not None:
        print(_told(last))
    raise typer.Exit(last is None or last.state is not RolloutState.SUCCEEDED)


@app.command()
def approve(
    rollout_id: RolloutId,
    wave: Annotated[int, typer.Option(min=0, help="Wave that may open, from 0; 0 is the start.")] = 0,
    operator: Operator = "",
    server: Server = "",
) -> None:
    """Approve the start of a rollout, or the wave it waits for."""
    with _connected(server, operator) as client:
        print(_told(client.approve(rollout_id, wave)))


@app.command()
def start(rollout_id: RolloutId, operator: Operator = "", server: Server = "") -> None:
    """Offer a draft to the devices of its first wave."""
    with _connected(server, operator) as client:
        print(_told(client.start(rollout_id)))


@app.command()
def pause(rollout_id: RolloutId, operator: Operator = "", server: Server = "") -> None:
    """Offer a rollout to nobody new."""
    with _connected(server, operator) as client:
        print(_told(client.pause(rollout_id)))


@app.command()
def resume(rollout_id: RolloutId, operator: Operator = "", server: Server = "") -> None:
    """Go on with a paused rollout, in spite of the failures there were."""
    with _connected(server, operator) as client:
        print(_told(client.resume(rollout_id)))


@app.command()
def abort(rollout_id: RolloutId, operator: Operator = "", server: Server = "") -> None:
    """End a rollout for good."""
    with _connected(server, operator) as client:
        print(_told(client.abort(rollout_id)))


@app.command()
def retry(rollout_id: RolloutId, operator: Operator = "", server: Server = "") -> None:
    """Offer a rollout again where it failed."""
    with _connected(server, operator) as client:
        print(_told(client.retry(rollout_id)))


def _until_still(client: "RolloutsClient", rollout_id: str) -> Iterator[Rollout]:
    while True:
        rollout = client.get(rollout_id)
        yield rollout
        if rollout.state in _STANDING_STILL:
            return
        time.sleep(POLL_INTERVAL_S)


def _told(rollout: Rollout) -> str:
    """State, what it waits for, and the devices by state, in one line."""
    counts = ", ".join(f"{count} {state.value}" for state, count in rollout.deployment_counts.items())
    parts = (rollout.state.value, rollout.status, counts)
    return "; ".join(part for part in parts if part)


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}Z"


@contextmanager
def _connected(server: str, operator: str = "") -> "Iterator[RolloutsClient]":
    from tinysphere.operating.client.rollouts import RolloutsClient  # takes a second: --help need not wait

    client = RolloutsClient(server or Settings().distribution_address, operator or getpass.getuser())
    try:
        yield client
    finally:
        client.close()
