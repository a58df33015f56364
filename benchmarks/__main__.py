"""Every program in this folder, one after the other: ``python -m benchmarks [--quick]``.

A program is a module with a ``main``. Each runs in a process of its own; what it prints is passed on, and its last
line, a JSON object, is collected. The last line of all is one JSON object of them, by name.
"""

from __future__ import annotations

import argparse
import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent


def programs() -> list[str]:
    """Names of the modules that define ``main``, found without importing them."""
    paths = sorted(FOLDER.glob("*.py"))
    return [path.stem for path in paths if not path.stem.startswith("_") and _has_main(path)]


def _has_main(path: Path) -> bool:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in body)


def run(name: str, *, quick: bool) -> dict[str, Any] | None:
    """Runs one program and returns its JSON object, or None when it failed or printed none."""
    command = [sys.executable, "-m", f"benchmarks.{name}", *(["--quick"] if quick else [])]
    last = ""
    with subprocess.Popen(command, cwd=FOLDER.parent, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            last = line.strip() or last
    if process.returncode:
        return None
    try:
        result = json.loads(last)
    except ValueError:
        return None
    return result if isinstance(result, dict) else None


def main() -> int:
    """Runs all programs, and prints what they found; 1 when any failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="each within a minute")
    options = parser.parse_args()
    results = {}
    for name in programs():
        print(f"== benchmarks.{name}", flush=True)
        results[name] = run(name, quick=options.quick)
    failed = [name for name, result in results.items() if result is None]
    print(json.dumps({"name": "benchmarks", "quick": options.quick, "failed": failed, "programs": results}))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
