"""`tinysphere export`."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from tinysphere.errors import InvalidFieldError, PreconditionError
from tinysphere.operating.export.records import Selection
from tinysphere.operating.export.run import ExportFormat, Tally, export
from tinysphere.settings import Settings

PRINT_EVERY = 1000

_FEATURE_SPACE = re.compile(r"[0-9a-f]{64}")


def export_samples(
    out: Annotated[Path, typer.Argument(help="Folder to make; for parquet the file.")],
    form: Annotated[ExportFormat, typer.Option("--format", help="How to write them.")] = ExportFormat.folder,
    model: Annotated[str, typer.Option(help="Only samples of this model, by its name.")] = "",
    feature_space: Annotated[str, typer.Option(help="Only samples of this feature space.")] = "",
    event: Annotated[str, typer.Option(help="Only samples of this drift event.")] = "",
    device: Annotated[str, typer.Option(help="Only samples of this device.")] = "",
    since: Annotated[datetime | None, typer.Option(help="Only samples captured then (UTC) or later.")] = None,
    server: Annotated[str, typer.Option(help="host:port; TINYSPHERE_DRIFT_TARGET when empty.")] = "",
) -> None:
    """Write the samples that people judged as a training set. Interrupted, it goes on where it was."""
    from tinysphere.operating.client.samples import SamplesClient  # takes a second: --help need not wait

    if feature_space and not _FEATURE_SPACE.fullmatch(feature_space):
        raise InvalidFieldError("--feature-space", "64 lower-case hex digits", feature_space)
    selection = Selection(
        model_name=model,
        feature_space=feature_space,
        drift_event_id=event,
        device_id=device,
        since=since.replace(tzinfo=since.tzinfo or UTC) if since else None,
    )
    client = SamplesClient(server or Settings().drift_target)
    try:
        with _shown() as told:
            tally = export(client, selection, form, out, told=told)
    except OSError as error:
        raise PreconditionError("EXPORT_FAILED", f"{error.filename or out}: {error.strerror}") from error
    finally:
        client.close()
    print(f"{tally.taken_count} samples in {out}; {tally.unusable_count} unusable ones left out")


@contextmanager
def _shown() -> Iterator[Callable[[Tally], object]]:
    """Progress on a terminal; elsewhere a line now and then."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console()
    if not console.is_terminal:
        yield (
            lambda tally: None if tally.taken_count % PRINT_EVERY else print(f"{tally.taken_count} samples")
        )
        return
    columns = (TextColumn("samples"), BarColumn(), TextColumn("{task.completed:,}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("export", total=None)
        yield lambda tally: progress.update(task, completed=tally.taken_count)
