"""One device from its start until everything it made is delivered."""

import asyncio
from collections import Counter

from tinysphere.simulator.script.chance import chance
from tinysphere.simulator.script.device import Device
from tinysphere.simulator.script.packing import Package
from tinysphere.simulator.script.plan import Happening, Moment, Plan
from tinysphere.simulator.script.scenario import Scenario
from tinysphere.simulator.wire.caller import Caller
from tinysphere.simulator.wire.contact import Contact
from tinysphere.simulator.wire.failures import CallError
from tinysphere.simulator.wire.updates import Updater
from tinysphere.simulator.wire.uploads import Uploader

BACKOFF_FIRST_S, BACKOFF_LAST_S = 0.5, 30.0
_LEARN_ATTEMPTS = 10
_LOOK_S = 0.1  # real; how often what cannot be waited for is looked at


class Life:
    """Runs the plan of one device over its link.

    Attributes:
        device: The device.
    """

    def __init__(self, plan: Plan, scenario: Scenario, caller: Caller) -> None:
        self.device = Device(plan, scenario)
        self._caller = caller
        self._pace = caller.pace
        self._tally = caller.tally
        self._contact = Contact(self.device, caller, scenario)
        self._updater = Updater(self.device, caller, scenario.updates)
        self._uploader = Uploader(caller, self.device.ledger)
        self._attempts: Counter[str] = Counter()
        self._refused: set[str] = set()
        share = scenario.power.asking_share
        self._asks = chance(plan.seed, "device", plan.index, "asks").random() < share
        self._tasks: list[asyncio.Task[None]] = []
        self._news = asyncio.Event()

    async def live(self, until_s: float) -> None:
        """Goes through the plan; its tasks are still at work when it ends."""
        await self._pace.until(self.device.plan.join_s)
        self._start_tasks()
        for moment in self.device.plan.moments:
            late_s = await self._pace.until(moment.at_s)
            self._tally.note_latency("late", late_s * 1000)
            await self._meet(moment)
        await self._pace.until(until_s)

    async def deliver(self) -> None:
        """Over a link that is whole again, sends what waits and ends what began; then its tasks end."""
        self._caller.is_healed = True
        while self._is_busy:
            self._raise_failures()
            await asyncio.sleep(_LOOK_S)
        await self.stop()

    async def learn(self) -> None:
        """Once its tasks have ended: learns all that was judged."""
        for attempt in range(1, _LEARN_ATTEMPTS + 1):
            try:
                await self._contact.learn()
                return
            except CallError as error:
                await self._caller.wait_after(error, attempt * BACKOFF_FIRST_S)

    async def stop(self) -> None:
        """Ends its tasks, wherever they are."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result

    @property
    def waiting(self) -> list[Package]:
        """Packages without a receipt that the server has not refused."""
        return [one for one in self.device.waiting if one.package_id not in self._refused]

    @property
    def _is_busy(self) -> bool:
        return bool(
            self.waiting or self.device.urgent or not self._updater.is_settled(self._contact.update_mark)
        )

    async def _meet(self, moment: Moment) -> None:
        if moment.happening is Happening.POWER_LOST and self.device.is_on:
            await self.stop()
            await self._caller.lose_power()
            self._tally.counts["power_cuts"] += 1
        made_before = len(self.device.ledger.made)
        self.device.live(moment)
        self._tally.counts["packages_made"] += len(self.device.ledger.made) - made_before
        if moment.happening is Happening.POWER_BACK and not self._tasks:
            self._start_tasks()
        self._news.set()
        self._raise_failures()

    def _start_tasks(self) -> None:
        self._tasks = [asyncio.create_task(work) for work in (self._beat(), self._send(), self._update())]

    def _raise_failures(self) -> None:
        """A task that ended did so by a mistake of this program."""
        for task in self._tasks:
            if task.done():
                task.result()

    async def _beat(self) -> None:
        while True:
            await self._pace.sleep(await self._contact.once())

    async def _send(self) -> None:
        will_ask = self._asks
        while True:
            await asyncio.sleep(0 if self._contact.is_registered else _LOOK_S)
            if not self._contact.is_registered:
                continue
            if will_ask and len(self.waiting) > 1:
                await self._ask()
            will_ask = False
            if waiting := self.waiting:
                await self._send_one(waiting[0])
            else:
                self._news.clear()
                await self._news.wait()

    async def _ask(self) -> None:
        """Once: without an answer it sends them all."""
        try:
            held = await self._uploader.find_held(self.waiting, self.device.boot_count)
        except CallError:
            return
        for receipt in held:
            self.device.take_receipt(receipt, self._pace.now_s())

    async def _send_one(self, package: Package) -> None:
        attempt = self._attempts[package.package_id]
        self._attempts[package.package_id] += 1
        try:
            receipt = await self._uploader.send(package, attempt)
        except CallError as error:
            if error.is_refusal:
                self._refused.add(package.package_id)
                self._tally.counts["packages_refused"] += 1
                return
            await self._caller.wait_after(error, self._backoff_s(package.package_id, attempt))
        else:
            self.device.take_receipt(receipt, self._pace.now_s())

    def _backoff_s(self, package_id: str, attempt: int) -> float:
        """With full jitter, drawn for this attempt."""
        most_s = min(BACKOFF_FIRST_S * 2 ** min(attempt, 10), BACKOFF_LAST_S)
        return chance("backoff", package_id, attempt).uniform(0, most_s)

    async def _update(self) -> None:
        attempt = 0
        while True:
            await self._pace.sleep(1.0)
            if not self._contact.is_registered or not self._updater.is_due(self._contact.update_mark):
                await asyncio.sleep(_LOOK_S)
                continue
            try:
                await self._updater.check()
                attempt = 0
            except CallError as error:
                attempt += 1
                await self._caller.wait_after(error, self._backoff_s(self.device.plan.device_id, attempt))
