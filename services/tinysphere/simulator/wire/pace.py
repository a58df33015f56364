"""Simulated time, for all devices of all processes alike."""

import asyncio
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Simulated seconds since ``origin_s`` of the machine's monotonic clock, ``speed`` for each real one."""

    origin_s: float
    speed: float

    def now_s(self) -> float:
        """Simulated seconds since the fleet's start."""
        return (time.monotonic() - self.origin_s) * self.speed

    async def until(self, at_s: float) -> float:
        """Waits for a simulated moment; returns by how many real seconds the awakening was late."""
        await self.sleep(at_s - self.now_s())
        return max(0.0, (self.now_s() - at_s) / self.speed)

    async def sleep(self, duration_s: float) -> None:
        """Waits for simulated seconds."""
        if duration_s > 0:
            await asyncio.sleep(duration_s / self.speed)
