"""Progress of a rollout on a terminal; elsewhere, a line for each change."""

from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.progress import Progress, TaskID

from tinysphere.domain.rollouts import Rollout
from tinysphere.operating.screen import bars, printed


def shown(rollouts: Iterable[Rollout], console: Console | None = None) -> Iterator[Rollout]:
    """Pass rollouts on, each one shown: a bar for each wave."""
    console = console or Console()
    if not console.is_terminal:
        yield from printed(rollouts, _line, console)
        return
    with bars(console) as progress:
        tasks: dict[int, TaskID] = {}
        for rollout in rollouts:
            for index, wave in enumerate(rollout.strategy.waves):
                if index not in tasks:
                    tasks[index] = progress.add_task(wave.name, total=None, told="")
            _show(progress, tasks, rollout)
            yield rollout


def _show(progress: Progress, tasks: dict[int, TaskID], rollout: Rollout) -> None:
    for index, reached in enumerate(rollout.progress):
        failed = f"  [red]{reached.failed_count} failed" if reached.failed_count else ""
        waits = f"  {rollout.status}" if index == rollout.wave_index else ""
        progress.update(
            tasks[index],
            total=reached.device_count or None,
            completed=reached.committed_count,
            told=f"{reached.committed_count} of {reached.device_count}{failed}{waits}",
        )


def _line(rollout: Rollout) -> str:
    waves = ", ".join(
        f"{wave.name} {reached.committed_count}/{reached.device_count}"
        for wave, reached in zip(rollout.strategy.waves, rollout.progress, strict=False)
    )
    return f"{rollout.state.value} {waves}"
