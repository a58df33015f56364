"""The devices of one process."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from typing import Any

from tinysphere.simulator.script.plan import make_plan
from tinysphere.simulator.simulation import Simulation
from tinysphere.simulator.tally import Tally
from tinysphere.simulator.wire.caller import Caller
from tinysphere.simulator.wire.channels import Channels
from tinysphere.simulator.wire.check import Findings, check_device, settled_packages
from tinysphere.simulator.wire.failures import CallError
from tinysphere.simulator.wire.life import Life
from tinysphere.simulator.wire.pace import Pace
from tinysphere.simulator.wire.reviewer import Reviewer

REPORT_EVERY_S = 0.5
_AT_ONCE = 16  # devices looked at when all is over

Tell = Callable[[str, Tally], None]


class Fleet:
    """Every ``process_count``-th device of a simulation, beginning with number ``process``.

    Attributes:
        tally: What was counted so far.
        findings: What the check found, once it was made.
        lives: The devices.
    """

    def __init__(self, simulation: Simulation, process: int, origin_s: float) -> None:
        self.tally = Tally()
        self.findings = Findings()
        self._simulation = simulation
        self._process = process
        self._pace = Pace(origin_s=origin_s, speed=simulation.speed)
        self._phase = "living"
        self.lives: list[Life] = []
        self._shared = [Channels(simulation.targets) for _ in range(simulation.channel_count)]
        self._own: list[Channels] = []

    async def run(self, tell: Tell) -> int:
        """Lives, delivers, checks; returns how many packages could not be delivered.

        Args:
            tell: Told the phase and the tally, now and then.
        """
        reports = asyncio.create_task(self._report(tell))
        try:
            return await self._run()
        finally:
            reports.cancel()
            for channels in (*self._shared, *self._own):
                await channels.cut()
            tell(self._phase, self.tally)

    async def _run(self) -> int:
        simulation = self._simulation
        numbers = range(self._process, simulation.device_count, simulation.process_count)
        self.lives = lives = [self._life(number) for number in numbers]
        reviewer = self._reviewer(lives)
        works = [life.live(simulation.duration_s) for life in lives]
        await _all_of([*works, reviewer.work(simulation.duration_s)] if self._is_reviewed else works)
        self._phase = "delivering"
        with suppress(TimeoutError):
            async with asyncio.timeout(simulation.drain_s):
                await _all_of(life.deliver() for life in lives)
        waiting_count = sum(len(life.waiting) for life in lives)
        await _all_of(life.stop() for life in lives)
        if self._is_reviewed:
            self._phase = "learning"
            await self._each(lives, self._settle)
            await reviewer.look()
            await self._each(lives, Life.learn)
        if simulation.is_checked:
            self._phase = "checking"
            await self._each(lives, self._check)
        self._phase = "done"
        return waiting_count

    @property
    def _is_reviewed(self) -> bool:
        return self._simulation.scenario.review.judged_share > 0

    def _life(self, index: int) -> Life:
        simulation = self._simulation
        plan = make_plan(
            simulation.scenario,
            seed=simulation.seed,
            index=index,
            duration_s=simulation.duration_s,
            start=simulation.start,
        )
        if simulation.has_own_channels:
            self._own.append(channels := Channels(simulation.targets))
        else:
            channels = self._shared[index // simulation.process_count % len(self._shared)]
        caller = Caller(
            channels,
            plan,
            simulation.scenario.link,
            pace=self._pace,
            tally=self.tally,
            owns_channels=simulation.has_own_channels,
        )
        return Life(plan, simulation.scenario, caller)

    def _reviewer(self, lives: Sequence[Life]) -> Reviewer:
        def event_ids() -> set[str]:
            return set().union(*(life.device.ledger.event_ids for life in lives))

        review = self._simulation.scenario.review
        return Reviewer(self._shared[0], review, event_ids, pace=self._pace, tally=self.tally)

    async def _settle(self, life: Life) -> None:
        settle_s = self._simulation.settle_s
        with suppress(CallError):  # a server that is away is the check's to tell
            await settled_packages(self._shared[0], life.device.plan.device_id, settle_s)

    async def _check(self, life: Life) -> None:
        device, settle_s = life.device, self._simulation.settle_s
        try:
            await check_device(
                self._shared[0], device.plan.device_id, device.ledger, self.findings, settle_s=settle_s
            )
        except CallError as error:
            self.findings.blame("wrong", f"{device.plan.device_id} could not be checked: {error}")

    async def _each(self, lives: Sequence[Life], work: Callable[[Life], Coroutine[Any, Any, None]]) -> None:
        """For every device, some at once."""
        gate = asyncio.Semaphore(_AT_ONCE)

        async def gated(life: Life) -> None:
            async with gate:
                await work(life)

        await _all_of(gated(life) for life in lives)

    async def _report(self, tell: Tell) -> None:
        while True:
            tell(self._phase, self.tally)
            await asyncio.sleep(REPORT_EVERY_S)


async def _all_of(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """All at once; the first failure ends the others."""
    async with asyncio.TaskGroup() as group:
        for work in works:
            group.create_task(work)
