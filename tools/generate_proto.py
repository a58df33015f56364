"""Writes `gen/` from `protos/`: `make proto`, or `python tools/generate_proto.py [folder]` for elsewhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_S = 120


def generate(folder: Path) -> None:
    """Run `buf generate` with the tools that stand beside this interpreter.

    Args:
        folder: an existing folder; `tinymlops/v1/...` is written below it.

    Raises:
        subprocess.CalledProcessError: buf refused the protos; its message is on stderr.
    """
    tools = Path(sys.executable).parent
    # Generators must be these, whatever else the caller has on PATH.
    environment = os.environ | {"PATH": f"{tools}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    command = [str(tools / "buf"), "generate", "--output", str(folder)]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=TIMEOUT_S)
    (folder / "tinymlops" / "py.typed").touch()
    drop_empty_stubs(folder)


def drop_empty_stubs(folder: Path) -> None:
    """Remove the type stubs of gRPC modules that do not exist: their proto declares no service."""
    for stub in folder.rglob("*_pb2_grpc.pyi"):
        if not stub.with_suffix(".py").exists():
            stub.unlink()


def replace(target: Path, source: Path) -> None:
    """Put `source` where `target` was, so that no file of a removed proto stays behind."""
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(source, target)


def main() -> None:
    with tempfile.TemporaryDirectory() as fresh:
        generate(Path(fresh))
        target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "gen"
        replace(target / "tinymlops", Path(fresh) / "tinymlops")


if __name__ == "__main__":
    main()
