"""How much is done to a run of uploads, and what is counted of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.reliability.uploads_packages import MOST_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadPlan:
    """How much is done to a run.

    Attributes:
        most_s: After so long nothing more is handed out.
        is_power_lost: Whether each kill also takes away what was not synced, at the killed end; needs a C compiler.
    """

    uploads: int
    server_kills: int
    device_kills: int
    most_s: float = float("inf")
    is_power_lost: bool = False
    most_bytes: int = MOST_BYTES
    seed: int = 0


@dataclass(slots=True, kw_only=True)
class UploadCounts:
    """What was counted; every entry of the four lists is a broken promise."""

    attempts: int = 0
    sent_bytes: int = 0
    server_kills: int = 0
    device_kills: int = 0
    cuts: int = 0
    uploads_cut: int = 0
    unsynced_bytes: int = 0
    unsynced_names: int = 0
    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    corrupted: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        """All that must not be."""
        return [*self.lost, *self.duplicated, *self.corrupted, *self.failed]

    def figures(self) -> dict[str, float]:
        """The numbers."""
        return {
            "attempts": self.attempts,
            "mib": round(self.sent_bytes / (1 << 20), 1),
            "kills": self.server_kills + self.device_kills,
            "server_kills": self.server_kills,
            "device_kills": self.device_kills,
            "cuts": self.cuts,
            "uploads_cut": self.uploads_cut,
            "unsynced_bytes": self.unsynced_bytes,
            "unsynced_names": self.unsynced_names,
            "lost": len(self.lost),
            "duplicated": len(self.duplicated),
            "corrupted": len(self.corrupted),
            "failed_starts": len(self.failed),
        }
