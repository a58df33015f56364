"""A fleet spread over processes, spawned, each with an event loop of its own."""

import asyncio
import json
import multiprocessing
import resource
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from tinysphere.errors import UnavailableError
from tinysphere.simulator.fleet import Fleet
from tinysphere.simulator.simulation import Outcome, Simulation
from tinysphere.simulator.tally import Tally
from tinysphere.simulator.wire.check import MAX_NOTES, Findings

_STOP_TIMEOUT_S = 5.0
_RETRY_AFTER_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a simulation came: the processes' phases, and what all of them counted."""

    at_s: float
    phases: Mapping[int, str]
    tally: Tally


OnProgress = Callable[[Progress], None]


def simulate(simulation: Simulation, on_progress: OnProgress = lambda progress: None) -> Outcome:
    """Runs a simulation to its end. In this process when it has one process, else in spawned ones.

    Raises:
        UnavailableError: SIMULATION_FAILED, a process ended before its time.
    """
    _allow_open_files()
    if simulation.process_count == 1:
        return _simulate_here(simulation, on_progress)
    return _simulate_spawned(simulation, on_progress)


def _simulate_here(simulation: Simulation, on_progress: OnProgress) -> Outcome:
    origin_s = time.monotonic()
    fleet = Fleet(simulation, 0, origin_s)

    def tell(phase: str, tally: Tally) -> None:
        at_s = (time.monotonic() - origin_s) * simulation.speed
        on_progress(Progress(at_s=at_s, phases={0: phase}, tally=tally))

    waiting_count = asyncio.run(fleet.run(tell))
    return Outcome(
        simulation=simulation,
        tally=fleet.tally,
        findings=fleet.findings,
        waiting_count=waiting_count,
        wall_s=time.monotonic() - origin_s,
    )


def _simulate_spawned(simulation: Simulation, on_progress: OnProgress) -> Outcome:
    context = multiprocessing.get_context("spawn")
    processes: list[BaseProcess] = []
    ends: list[Connection] = []
    try:
        for number in range(simulation.process_count):
            ours, theirs = context.Pipe()
            process: BaseProcess = context.Process(
                target=_run_process, args=(simulation, number, theirs), daemon=True
            )
            process.start()
            theirs.close()
            processes.append(process)
            ends.append(ours)
        return _Gathering(simulation, ends).run(on_progress)
    except BaseException:
        for process in processes:
            process.terminate()
        raise
    finally:
        for end in ends:
            end.close()
        for process in processes:
            process.join(_STOP_TIMEOUT_S)
            process.kill()


class _Gathering:
    """Starts the processes at one moment, and adds up what they tell."""

    def __init__(self, simulation: Simulation, ends: list[Connection]) -> None:
        self._simulation = simulation
        self._ends = ends
        self._tallies = {number: Tally() for number in range(len(ends))}
        self._phases = dict.fromkeys(range(len(ends)), "starting")
        self._results: dict[int, Mapping[str, Any]] = {}

    def run(self, on_progress: OnProgress) -> Outcome:
        """Until every process is done."""
        for end in self._ends:
            self._receive(end)  # it is ready
        origin_s = time.monotonic()
        for end in self._ends:
            end.send_bytes(json.dumps(origin_s).encode())
        while len(self._results) < len(self._ends):
            open_ends = [end for number, end in enumerate(self._ends) if number not in self._results]
            for ready in wait(open_ends):
                assert isinstance(ready, Connection)
                self._take(self._ends.index(ready), self._receive(ready))
            at_s = (time.monotonic() - origin_s) * self._simulation.speed
            on_progress(Progress(at_s=at_s, phases=dict(self._phases), tally=self._tally()))
        return self._outcome(time.monotonic() - origin_s)

    def _take(self, number: int, told: Mapping[str, Any]) -> None:
        self._phases[number] = told["phase"]
        self._tallies[number] = Tally.from_json(told["tally"])
        if "waiting_count" in told:
            self._results[number] = told

    def _receive(self, end: Connection) -> Mapping[str, Any]:
        try:
            told: Mapping[str, Any] = json.loads(end.recv_bytes())
        except (EOFError, ConnectionError) as error:
            raise UnavailableError(
                "SIMULATION_FAILED",
                "a process of the simulation ended before its time; it wrote why above",
                retry_after_s=_RETRY_AFTER_S,
            ) from error
        return told

    def _tally(self) -> Tally:
        whole = Tally()
        for tally in self._tallies.values():
            whole.add(tally)
        return whole

    def _outcome(self, wall_s: float) -> Outcome:
        findings = Findings()
        for result in self._results.values():
            findings.counts.update(result["findings"])
            findings.notes = [*findings.notes, *result["notes"]][:MAX_NOTES]
        return Outcome(
            simulation=self._simulation,
            tally=self._tally(),
            findings=findings,
            waiting_count=sum(result["waiting_count"] for result in self._results.values()),
            wall_s=wall_s,
        )


def _run_process(simulation: Simulation, number: int, end: Connection) -> None:
    """Body of a spawned process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the first process's, which ends this one
    _allow_open_files()

    def tell(phase: str, tally: Tally, **more: object) -> None:
        told = {"phase": phase, "tally": tally.to_json(), **more}
        with suppress(ConnectionError):  # nobody listens any more: this process is about to be ended
            end.send_bytes(json.dumps(told).encode())

    tell("ready", Tally())
    fleet = Fleet(simulation, number, json.loads(end.recv_bytes()))
    waiting_count = asyncio.run(fleet.run(tell))
    tell(
        "done",
        fleet.tally,
        waiting_count=waiting_count,
        findings=fleet.findings.counts,
        notes=fleet.findings.notes,
    )


def _allow_open_files() -> None:
    """As many as the system lets this process have: devices with connections of their own need three each."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
