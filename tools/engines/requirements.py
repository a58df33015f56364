"""Prints what `pip install tinymlops[edge]` would ask for on another machine, one requirement a line.

    python -m tools.engines.requirements armv7l

So the second engine is tested as the markers of pyproject.toml choose it, not as somebody remembers it.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

PYPROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


def requirements_of(machine: str) -> list[str]:
    """Base and ``[edge]``, with the markers of ``machine`` (as `uname -m` prints it) decided and taken off."""
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    chosen = []
    for text in (*project["dependencies"], *project["optional-dependencies"]["edge"]):
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"platform_machine": machine}):
            requirement.marker = None
            chosen.append(str(requirement))
    return chosen


if __name__ == "__main__":
    print("\n".join(requirements_of(sys.argv[1])))
