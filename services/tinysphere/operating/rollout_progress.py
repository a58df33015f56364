"""Progress of a rollout on a terminal; elsewhere, a line for each change."""

from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from tinysphere.domain.rollouts import Rollout


def shown(rollouts: Iterable[Rollout], console: Console | None = None) -> Iterator[Rollout]:
    """Pass rollouts on, each one shown: a bar for each wave."""
    console = console or Console()
    if not console.is_terminal:
        yield from _printed(rollouts, console)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[told]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        bars: dict[int, TaskID] = {}
        for rollout in rollouts:
            for index, wave in enumerate(rollout.strategy.waves):
                if index not in bars:
                    bars[index] = progress.add_task(wave.name, total=None, told="")
            _show(progress, bars, rollout)
            yield rollout


def _show(progress: Progress, bars: dict[int, TaskID], rollout: Rollout) -> None:
    for index, reached in enumerate(rollout.progress):
        failed = f"  [red]{reached.failed_count} failed" if reached.failed_count else ""
        waits = f"  {rollout.status}" if index == rollout.wave_index else ""
        progress.update(
            bars[index],
            total=reached.device_count or None,
            completed=reached.committed_count,
            told=f"{reached.committed_count} of {reached.device_count}{failed}{waits}",
        )


def _printed(rollouts: Iterable[Rollout], console: Console) -> Iterator[Rollout]:
    told = ""
    for rollout in rollouts:
        waves = ", ".join(
            f"{wave.name} {reached.committed_count}/{reached.device_count}"
            for wave, reached in zip(rollout.strategy.waves, rollout.progress, strict=False)
        )
        line = f"{rollout.state.value} {waves}"
        if line != told:
            console.print(line)
            told = line
        yield rollout
