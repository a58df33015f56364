"""The rules of the Packages page: what a package and its steps say of themselves."""

from collections.abc import Sequence
from datetime import datetime

from tinyboard.views import colours, words
from tinyboard.views.records import PackageView, StepView

STATES = {
    "All": "",
    "Uploading": "UPLOADING",
    "Waiting": "COMMITTED",
    "Processed": "PROCESSED",
    "Failed": "FAILED",
}
"""What the page offers to show, and the state that the server is asked for."""


def line(package: PackageView, now: datetime) -> str:
    """State, device, size and age of a package, as Markdown."""
    state = colours.badge(colours.PACKAGE_STATE_COLOURS, package.state)
    details = (words.size(package.size_bytes), words.age(package.receive_time, now), package.package_id)
    return f"{state} **{words.plain(package.device_id)}** :gray[· {' · '.join(map(words.plain, details))}]"


def steps(package: PackageView) -> str:
    """One badge a step, as Markdown; empty before the manifest was read."""
    return " ".join(map(_step, package.steps))


def problems(package: PackageView) -> Sequence[str]:
    """Why a package is not processed, one text a cause; nothing for one that is."""
    refused = [f"{package.error_reason}: {package.error}"] if package.error_reason else []
    return refused + [
        f"{words.title_case(step.kind)}, {_tries(step)}: {step.error}" for step in package.steps if step.error
    ]


def _step(step: StepView) -> str:
    colour = colours.STEP_STATE_COLOURS.get(step.state, "gray")
    count = f" {step.record_count:,}" if step.record_count else ""
    return f":{colour}-badge[{words.title_case(step.kind)}{count}]"


def _tries(step: StepView) -> str:
    return "once" if step.attempt_count == 1 else f"{step.attempt_count} times"
