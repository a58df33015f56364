"""One device's calls over its link, with the faults of the link and a record of what became of them."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import grpc

from tinysphere.simulator.script.chance import chance
from tinysphere.simulator.script.faults import NO_FAULT, Fault, FaultKind, draw_fault
from tinysphere.simulator.script.plan import Plan
from tinysphere.simulator.script.scenario import Link
from tinysphere.simulator.tally import Tally
from tinysphere.simulator.wire.channels import Channels
from tinysphere.simulator.wire.failures import CallError, link_error, translate
from tinysphere.simulator.wire.methods import Method, ReplyT, RequestT
from tinysphere.simulator.wire.pace import Pace

TIMEOUT_S = 30.0
_SPREAD = 0.5


class Caller:
    """See the module.

    Attributes:
        is_healed: Whether the link's faults are over.
        failure_count: Broken attempts so far.
    """

    def __init__(
        self, channels: Channels, plan: Plan, link: Link, *, pace: Pace, tally: Tally, owns_channels: bool
    ) -> None:
        self.is_healed = False
        self.failure_count = 0
        self.channels = channels
        self.tally = tally
        self.pace = pace
        self.rate_bytes_per_s = link.rate_bytes_per_s
        self._plan = plan
        self._link = link
        self._owns_channels = owns_channels

    @property
    def online_from_s(self) -> float:
        """When there is a link again, simulated seconds; now if there is one."""
        now_s = self.pace.now_s()
        return now_s if self.is_healed else self._plan.online_from_s(now_s)

    async def call(
        self,
        method: Method[RequestT, ReplyT],
        request: RequestT,
        *names: object,
        witness: Callable[[ReplyT], object] = lambda reply: None,
    ) -> ReplyT:
        """One request and its reply.

        Args:
            method: What to call.
            request: What to send.
            names: Name this attempt among all of the device, for the faults of its link.
            witness: Told the reply even when the device loses it.

        Raises:
            CallError: The link or the server failed, or the server refused.
        """
        async with self.attempting(method, *names) as fault:
            size_bytes = request.ByteSize()
            await self.spend(size_bytes)
            if fault.kind is FaultKind.STALL:
                self.tally.counts["faults_stall"] += 1
                await self.pace.sleep(fault.stall_s)
            if fault.kind is FaultKind.CUT and fault.after_bytes < size_bytes:
                raise await self.break_link(fault)
            begin_s = time.monotonic()
            reply = await self.channels.unary(method)(request, timeout=TIMEOUT_S)
            self.tally.note_latency(method.name, (time.monotonic() - begin_s) * 1000)
            witness(reply)
            if fault.kind is FaultKind.LOST_REPLY:
                raise await self.break_link(fault)
            return reply

    @asynccontextmanager
    async def attempting(self, method: Method[RequestT, ReplyT], *names: object) -> AsyncIterator[Fault]:
        """An attempt with its fault; whatever goes wrong inside is counted and becomes a CallError."""
        try:
            if self.online_from_s > self.pace.now_s():
                raise link_error("offline")
            fault = NO_FAULT if self.is_healed else self._fault(method.name, *names)
            if fault.kind is FaultKind.REFUSED:
                raise await self.break_link(fault)
            yield fault
        except grpc.aio.AioRpcError as error:
            raise self._failed(method.name, translate(error)) from error
        except CallError as error:
            raise self._failed(method.name, error) from error.__cause__
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # The connection was broken under this call, by a fault of another one of the device.
            raise self._failed(method.name, link_error("cut")) from error

    async def break_link(self, fault: Fault) -> CallError:
        """The link fails as the fault says; a device's own connections break with it."""
        self.tally.counts[f"faults_{fault.kind.value}"] += 1
        if self._owns_channels:
            await self.channels.cut()
        return link_error(fault.kind.value)

    async def lose_power(self) -> None:
        """A device's own connections break with it, too."""
        if self._owns_channels:
            await self.channels.cut()

    async def spend(self, size_bytes: int) -> None:
        """Waits as long as the link takes for some bytes."""
        if self.rate_bytes_per_s:
            await self.pace.sleep(size_bytes / self.rate_bytes_per_s)

    async def wait_after(self, error: CallError, least_s: float) -> None:
        """Waits before the next attempt: as the server asks (real seconds), or ``least_s`` simulated ones."""
        if (
            error.retry_after_s is not None
        ):  # and a little more, so that those turned away together come apart
            spread = chance("spread", self._plan.device_id, self.failure_count).random()
            await asyncio.sleep(error.retry_after_s * (1 + _SPREAD * spread))
        else:
            await self.pace.sleep(max(least_s, self.online_from_s - self.pace.now_s()))

    def _failed(self, method_name: str, error: CallError) -> CallError:
        self.tally.errors[f"{method_name} {error.code} {error.reason}".strip()] += 1
        self.failure_count += 1
        return error

    def _fault(self, *names: object) -> Fault:
        return draw_fault(self._link, self._plan.seed, self._plan.index, *names)
