"""Progress of a package on a terminal; elsewhere, a line for each change."""

from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.progress import Progress, TaskID

from tinysphere.domain.packages import EntryKind, Package, PackageStep, StepState
from tinysphere.operating.screen import bars, printed

_COLOURS = {StepState.PENDING: "", StepState.SUCCEEDED: "[green]", StepState.FAILED: "[red]"}


def shown(packages: Iterable[Package], console: Console | None = None) -> Iterator[Package]:
    """Pass packages on, each one shown: a bar over all steps, and a line for each."""
    console = console or Console()
    if not console.is_terminal:
        yield from printed(packages, _line, console)
        return
    with bars(console) as progress:
        whole = progress.add_task("package", total=None, told="")
        lines: dict[EntryKind, TaskID] = {}
        for package in packages:
            ended = sum(step.state is not StepState.PENDING for step in package.steps)
            progress.update(
                whole, total=len(package.steps) or None, completed=ended, told=package.state.value
            )
            for step in package.steps:
                _show(progress, lines, step)
            yield package


def _show(progress: Progress, lines: dict[EntryKind, TaskID], step: PackageStep) -> None:
    if step.kind not in lines:
        lines[step.kind] = progress.add_task(f"  {step.kind.value}", total=None, told="")
    done = step.state is not StepState.PENDING
    told = f"{_COLOURS[step.state]}{step.state.value}  {step.record_count} records"
    progress.update(lines[step.kind], total=1 if done else None, completed=int(done), told=told)


def _line(package: Package) -> str:
    ended = sum(step.state is not StepState.PENDING for step in package.steps)
    records = sum(step.record_count for step in package.steps)
    return f"{package.state.value}, {ended} of {len(package.steps)} steps, {records} records"
