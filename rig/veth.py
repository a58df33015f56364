"""The namespace tier: a veth pair, losses and blackholes by nft, rates by the token bucket of `tc`.

The kernel's chance cannot be seeded, and it knows no delay here (there is no `sch_netem`); for that see `rig.tun`.
"""

from __future__ import annotations

from contextlib import ExitStack

from rig.hosts import INTERFACE, HostsLine
from rig.namespaces import Namespace, run
from rig.quality import LinkQuality

_LOSS_STEPS = 100_000
_MOST_WAIT = "400ms"
_LEAST_BURST_BYTES = 3_200


class VethLine(HostsLine):
    """Real packets of the real kernel between two hosts."""

    can = frozenset({"loss_share", "rate_bytes_per_s", "outages"})

    _loss_share = 0.0

    def blackhole(self) -> None:
        """Drops every packet that arrives at either host."""
        for host in self.hosts:
            _filter(host, "drop")

    def heal(self) -> None:
        """Drops only what the quality says."""
        steps = round(self._loss_share * _LOSS_STEPS)
        for host in self.hosts:
            _filter(host, f"numgen random mod {_LOSS_STEPS} < {steps} drop" if steps else "accept")

    def _connect(self, stack: ExitStack) -> None:
        run(
            *f"ip link add {INTERFACE} netns {self.device_host.name} type veth".split(),
            *f"peer name {INTERFACE} netns {self.server_host.name}".split(),
        )

    def _apply(self, quality: LinkQuality) -> None:
        self._loss_share = quality.loss_share
        self.heal()
        for host in self.hosts:
            _limit(host, quality.rate_bytes_per_s)


def _filter(host: Namespace, rule: str) -> None:
    host.nft(
        "table inet rig\n"
        "delete table inet rig\n"
        "table inet rig {\n"
        f'  chain arriving {{ type filter hook input priority 0; iifname "{INTERFACE}" {rule}; }}\n'
        "}\n"
    )


def _limit(host: Namespace, rate_bytes_per_s: float | None) -> None:
    if rate_bytes_per_s is None:
        rule = "noqueue"
    else:
        burst_bytes = max(int(rate_bytes_per_s / 100), _LEAST_BURST_BYTES)
        rule = f"tbf rate {int(rate_bytes_per_s * 8)}bit burst {burst_bytes} latency {_MOST_WAIT}"
    run("tc", "-n", host.name, *f"qdisc replace dev {INTERFACE} root {rule}".split())
