"""What one frame led to."""

from dataclasses import dataclass

from tinylcm.pipeline.adapting import Adapted
from tinylcm.records import Adaptation, DriftEvent, Observation, Sample


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """What one frame led to; all tuples are empty for most frames.

    ``drift_events`` holds new events, and known ones that recovered. ``adaptations`` holds those that came to
    another state; then the state of the device is another one and must be saved soon.
    """

    observation: Observation
    drift_events: tuple[DriftEvent, ...] = ()
    samples: tuple[Sample, ...] = ()
    adaptations: tuple[Adaptation, ...] = ()


def outcome_of(
    observation: Observation, events: tuple[DriftEvent, ...], samples: tuple[Sample, ...], adapted: Adapted
) -> Outcome:
    """Joins what was noticed with what came of adapting, as far as that is known at once."""
    return Outcome(
        observation=observation,
        drift_events=(*events, *adapted.drift_events),
        samples=(*samples, *adapted.samples),
        adaptations=tuple(adapted.adaptations),
    )
