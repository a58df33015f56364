"""What really happened to one device, whatever it forgets: what a check compares the server with."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tinymlops.v1 import drift_pb2, package_pb2
from tinysphere.simulator.script.packing import Kind, Package


@dataclass(frozen=True, slots=True, kw_only=True)
class MadePackage:
    """What the server must hold of a package."""

    sha256: str
    record_counts: Mapping[Kind, int]
    sample_count_by_event: Mapping[str, int]


@dataclass(slots=True)
class Ledger:
    """Every package made, every receipt seen, every event, and the feedback that was answered for good."""

    made: dict[str, MadePackage] = field(default_factory=dict)
    receipts: Counter[str] = field(default_factory=Counter)
    event_ids: set[str] = field(default_factory=set)
    recovered_ids: set[str] = field(default_factory=set)
    answered_ids: set[str] = field(default_factory=set)

    def add(
        self, package: Package, samples: Sequence[drift_pb2.Sample], events: Sequence[drift_pb2.DriftEvent]
    ) -> None:
        """A device made a package."""
        self.made[package.package_id] = MadePackage(
            sha256=package.descriptor.sha256,
            record_counts=package.record_counts,
            sample_count_by_event=Counter(sample.drift_event_id for sample in samples),
        )
        self.event_ids |= {event.drift_event_id for event in events}
        self.recovered_ids |= {event.drift_event_id for event in events if event.HasField("recovery_time")}

    def receive(self, receipt: package_pb2.Package) -> bool:
        """The server's receipt came, whether or not the device saw it; True the first time."""
        package_id = receipt.descriptor.package_id
        self.receipts[package_id] += 1
        return self.receipts[package_id] == 1

    @property
    def duplicate_count(self) -> int:
        """Receipts for what had one before: sent again after a lost reply or a power cut."""
        return sum(self.receipts.values()) - len(self.receipts)
