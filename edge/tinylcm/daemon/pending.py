"""Evidence and answers between two checkpoints."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from tinylcm.records import Acknowledgement, Adaptation, DriftEvent, Sample

_MAX_ADAPTATIONS = 500


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
    adaptations: dict[str, Adaptation] = field(default_factory=dict)
    new_event_count: int = 0
    is_staged: bool = False

    def __bool__(self) -> bool:
        return bool(self.events or self.samples or self.acknowledgements or self.adaptations)

    def add(
        self,
        events: Iterable[DriftEvent],
        samples: Iterable[Sample],
        acknowledgements: Iterable[Acknowledgement],
        adaptations: Iterable[Adaptation] = (),
    ) -> None:
        """Gathers more; of an event and of an adaptation the newest version counts."""
        for event in events:
            self.events[event.drift_event_id] = event
            self.new_event_count += event.recovery_index is None
        self.samples.extend(samples)
        self.acknowledgements.extend(acknowledgements)
        self._keep({adaptation.adaptation_id: adaptation for adaptation in adaptations})

    def add_newer(self, newer: "Pending") -> None:
        """Gathers what came after it."""
        self.events |= newer.events
        self.samples += newer.samples
        self.acknowledgements += newer.acknowledgements
        self.new_event_count += newer.new_event_count
        self._keep(newer.adaptations)

    def _keep(self, adaptations: dict[str, Adaptation]) -> None:
        self.adaptations |= adaptations
        for adaptation_id in list(self.adaptations)[:-_MAX_ADAPTATIONS]:  # only when checkpoints keep failing
            del self.adaptations[adaptation_id]

    def mark_staged(self) -> None:
        """Its records are in the outbox; the counts stand until the snapshot is durable."""
        self.events, self.samples, self.acknowledgements, self.adaptations = {}, [], [], {}
        self.is_staged = True
