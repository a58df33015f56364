"""Lines of every tier for tests; those with hosts of their own need root."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rig import namespaces
from rig.line import Line
from rig.proxy import ProxyLine
from rig.tun import TunLine
from rig.veth import VethLine
from tests.conftest import Need

SEED = 11

TIERS: dict[str, Callable[[Sequence[str]], Line]] = {
    "proxy": lambda services: ProxyLine(services, seed=SEED),
    "veth": lambda services: VethLine(services),
    "tun": lambda services: TunLine(services, seed=SEED),
}


def new_line(tier: str, services: Sequence[str], need: Need) -> Line:
    """A line that is not there yet; the test is skipped, or fails, where the tier cannot be had."""
    if tier != "proxy":
        need("network namespaces", not namespaces.lacking(), namespaces.lacking())
    return TIERS[tier](services)
