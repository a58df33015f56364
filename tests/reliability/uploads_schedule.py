"""Who is killed when: drawn before the run, so that the counts are what was asked for."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass

SERVER, DEVICE = "server", "device"
_LONGEST_DELAY_S = 1.0
_BYTES_PER_S = 8 << 20  # about what a transfer reaches beside everything else


@dataclass(frozen=True, slots=True, order=True)
class Kill:
    """One `kill -9`, so many seconds after an upload was handed to the device."""

    delay_s: float
    who: str


def draw_kills(
    rng: random.Random, sizes_bytes: list[int], *, server_kills: int, device_kills: int
) -> list[list[Kill]]:
    """Returns the kills of each upload in their order; some uploads see none, some several."""
    drawn: defaultdict[int, list[Kill]] = defaultdict(list)
    for who, count in ((SERVER, server_kills), (DEVICE, device_kills)):
        for _ in range(count):
            number = rng.randrange(len(sizes_bytes))
            longest_s = _LONGEST_DELAY_S + sizes_bytes[number] / _BYTES_PER_S
            drawn[number].append(Kill(rng.uniform(0.0, longest_s), who))
    return [sorted(drawn[number]) for number in range(len(sizes_bytes))]
