"""Resident memory: of a running device, and of a process with the same libraries and the same model.

The libraries are all that the device imports and that is not ours. Run as a program with a model's path and their names
this is the second of the two processes, and prints its size in MiB. Both find all modules compiled, as an installed
program does.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from benchmarks.pipeline_device import MeasuredDevice

_ENGINE = "ai_edge_litert.interpreter"
_IMPORTED = ("tinylcm.daemon.__main__", "tinylcm.daemon.service", "tinylcm.daemon.logs", _ENGINE)
_IMPORTED_TO_SEND = "tinylcm.daemon.connection"
OURS = ("tinylcm", "tinymlops")
_ROOT = Path(__file__).resolve().parents[1]
_SOURCES = (_ROOT / "edge", _ROOT / "gen")
_STATE = "state"
_LOOK_S = 0.02
_TIMEOUT_S = 900.0
_MEAN_SHARE = 0.1
_SETTLED_SHARE, _SETTLED_COUNT = 0.2, 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """In MiB: at the end of the run, the most there was, and the growth since 1,000 inferences, or a fifth of few."""

    rss_mib: float
    peak_mib: float
    growth_mib: float


@contextmanager
def serving(measured: MeasuredDevice, folder: Path, *, served: bool) -> Iterator[Path]:
    """Gives the configuration of a fresh device with the measured one's bundle, and a server if it is to have one."""
    from benchmarks.pipeline_device import STREAM, write_configuration
    from demo.server import Server

    folder.mkdir()
    origin = measured.configuration.parent
    shutil.copytree(origin / STREAM, folder / STREAM, copy_function=os.link)
    os.link(origin / "release.pub.pem", folder / "release.pub.pem")
    shutil.copytree(origin / _STATE / "slots", folder / _STATE / "slots", symlinks=True)
    tables = dict(measured.tables)
    with ExitStack() as stack:
        if served:
            server = Server(folder, separate=False)
            stack.callback(server.stop)
            server.start()
            tables["server"] = {f"{name}_target": address for name, address in server.addresses.items()}
        yield write_configuration(folder, tables)


def measure_device(configuration: Path, inference_count: int) -> Memory:
    """Runs `tinylcm run` to the end of its recordings; how far it is, its prediction log tells."""
    predictions = configuration.parent / _STATE / "predictions.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-m", "tinylcm.daemon", "run", "--until-idle", "--config", str(configuration)],
        stderr=subprocess.DEVNULL,
        env=_environment(),
    )
    seen: list[tuple[int, float]] = []
    deadline_s = time.monotonic() + _TIMEOUT_S
    while process.poll() is None:
        if time.monotonic() > deadline_s:
            process.kill()
        size_mib = _resident_mib(process.pid)
        if size_mib:
            seen.append(
                (sum(it.stat().st_size for it in predictions.parent.glob(predictions.name)), size_mib)
            )
        time.sleep(_LOOK_S)
    if process.returncode != 0:
        raise RuntimeError(f"the device ended with status {process.returncode}")
    settled_share = min(_SETTLED_SHARE, _SETTLED_COUNT / inference_count)
    return _summary(np.array([done for done, _ in seen]), np.array([size for _, size in seen]), settled_share)


def _summary(done: np.ndarray, sizes: np.ndarray, settled_share: float) -> Memory:
    share = done / done[-1]
    end = float(np.median(sizes[share >= 1 - _MEAN_SHARE]))
    settled = (share >= settled_share) & (share <= settled_share + _MEAN_SHARE)
    begin = float(np.median(sizes[settled])) if settled.any() else end
    return Memory(rss_mib=end, peak_mib=float(sizes.max()), growth_mib=end - begin)


def measure_libraries(model: Path, *, served: bool) -> float:
    """Size in MiB of a process that imports what a device imports, and runs the model once."""
    imported = ", ".join((*_IMPORTED, *((_IMPORTED_TO_SEND,) if served else ())))
    _run("-m", "compileall", "-q", *(str(folder) for folder in _SOURCES))
    told = _run("-c", f"import {imported}, sys; print(*sys.modules)")
    libraries = [name for name in told.split() if name.partition(".")[0] not in (*OURS, "__main__")]
    return float(_run("-m", "benchmarks.pipeline_memory", str(model), *libraries))


def _run(*arguments: str) -> str:
    """Returns the last line that a Python process prints."""
    done = subprocess.run(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
        env=_environment(),
    )
    return done.stdout.splitlines()[-1] if done.stdout else ""


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _resident_mib(process_id: int | str) -> float:
    try:
        status = Path(f"/proc/{process_id}/status").read_text(encoding="ascii")
    except OSError:
        return 0.0
    sizes = [int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS:")]
    return sizes[0] if sizes else 0.0


def _load(model: Path, libraries: Sequence[str]) -> None:
    for name in libraries:
        with suppress(ImportError):  # a library's name for a part of itself
            import_module(name)
    interpreter = import_module(_ENGINE).Interpreter(model_content=model.read_bytes(), num_threads=1)
    interpreter.allocate_tensors()
    interpreter.invoke()
    print(_resident_mib("self"))


if __name__ == "__main__":
    _load(Path(sys.argv[1]), sys.argv[2:])
