"""What goes wrong with one attempt over a link: drawn from seed and attempt, so that it goes wrong again."""

from dataclasses import dataclass
from enum import StrEnum

from tinysphere.simulator.script.chance import chance, draw
from tinysphere.simulator.script.scenario import Link


class FaultKind(StrEnum):
    """One kind each attempt."""

    NONE = "none"
    REFUSED = "refused"  # nobody answers
    CUT = "cut"  # after some bytes
    STALL = "stall"  # nothing moves for a while
    LOST_REPLY = "lost_reply"  # it arrives, its reply does not


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault and when it strikes."""

    kind: FaultKind = FaultKind.NONE
    after_bytes: int = 0
    stall_s: float = 0.0


NO_FAULT = Fault()


def draw_fault(link: Link, *names: object) -> Fault:
    """The fault of the attempt that ``names`` name."""
    generator = chance("fault", *names)
    chosen = generator.random()
    after_bytes, stall_s = int(draw(generator, link.cut_after_bytes)), draw(generator, link.stall_s)
    for share, kind in (
        (link.refused_share, FaultKind.REFUSED),
        (link.cut_share, FaultKind.CUT),
        (link.stall_share, FaultKind.STALL),
        (link.lost_reply_share, FaultKind.LOST_REPLY),
    ):
        if chosen < share:
            return Fault(kind=kind, after_bytes=after_bytes, stall_s=stall_s)
        chosen -= share
    return NO_FAULT
