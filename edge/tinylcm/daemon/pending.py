"""Evidence and answers between two checkpoints."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from tinylcm.records import Acknowledgement, DriftEvent, Sample


@dataclass(slots=True)
class Pending:
    """What was gathered since the last checkpoint.

    Attributes:
        new_event_count: Drift events among it that began.
        is_staged: Whether something is staged already, by a checkpoint whose snapshot found the disk full.
    """

    events: dict[str, DriftEvent] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    acknowledgements: list[Acknowledgement] = field(default_factory=list)
    new_event_count: int = 0
    is_staged: bool = False

    def __bool__(self) -> bool:
        return bool(self.events or self.samples or self.acknowledgements)

    def add(
        self,
        events: Iterable[DriftEvent],
        samples: Iterable[Sample],
        acknowledgements: Iterable[Acknowledgement],
    ) -> None:
        """Gathers more; of an event the newest version counts."""
        for event in events:
            self.events[event.drift_event_id] = event
            self.new_event_count += event.recovery_index is None
        self.samples.extend(samples)
        self.acknowledgements.extend(acknowledgements)

    def add_newer(self, newer: "Pending") -> None:
        """Gathers what came after it."""
        self.events |= newer.events
        self.samples += newer.samples
        self.acknowledgements += newer.acknowledgements
        self.new_event_count += newer.new_event_count

    def mark_staged(self) -> None:
        """Its records are in the outbox; the counts stand until the snapshot is durable."""
        self.events, self.samples, self.acknowledgements = {}, [], []
        self.is_staged = True
