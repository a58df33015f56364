"""From an alarm to the samples a person should see: collect a stretch of the drift, then choose what covers it."""

from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinylcm.core.adapt.proposals import group_of, propose_labels
from tinylcm.core.adapt.quarantine import Quarantine
from tinylcm.core.adapt.representatives import choose_representatives
from tinylcm.errors import StateError
from tinylcm.pipeline.adaptive_settings import AdaptiveSettings
from tinylcm.pipeline.packing import pack_event, reading, unpack_event
from tinylcm.pipeline.recent import RecentFrame
from tinylcm.ports import Clock, ImageEncoder, Json
from tinylcm.records import DriftCause, DriftEvent, ModelReference, Observation, Sample


class SampleMaker:
    """Makes samples of observations, with a new identity and, where there is one, a picture."""

    def __init__(self, model: ModelReference, clock: Clock, image_encoder: ImageEncoder) -> None:
        self._model = model
        self._clock = clock
        self._image_encoder = image_encoder

    def make(
        self,
        drift_event_id: str,
        observation: Observation,
        content: NDArray[np.generic] | None,
        distance_score: float,
    ) -> Sample:
        """Returns a sample of an event, or of none; without ``content`` it has no picture."""
        return Sample(
            sample_id=self._clock.new_id(),
            drift_event_id=drift_event_id,
            model=self._model,
            observation=observation,
            distance_score=distance_score,
            image=None if content is None else self._image_encoder.encode(content),
        )


class EvidenceState(NamedTuple):
    """The open event, its frames collected so far, and whether its evidence was handed out."""

    event: DriftEvent | None
    collected_count: int
    handed_out: bool


class EvidenceCollector:
    """Quarantines every frame of an open drift event, and once per event hands out the samples that teach most.

    A prior shift is harmless to the model: it is an event, but there is nothing to label in it.
    """

    def __init__(self, quarantine: Quarantine, maker: SampleMaker, settings: AdaptiveSettings) -> None:
        self._quarantine = quarantine
        self._maker = maker
        self._settings = settings
        self.event: DriftEvent | None = None
        self._collected_count = 0
        self._handed_out = False

    def open(self, event: DriftEvent) -> None:
        """Begins an event; its frames follow through `collect`."""
        self.event = event
        self._collected_count = 0
        self._handed_out = False

    def collect(self, frame: RecentFrame, distance_score: float) -> tuple[Sample, ...]:
        """Quarantines a frame of the open event; returns the evidence when enough has come together."""
        if self.event is None or self.event.alarm.cause is DriftCause.PRIOR_SHIFT:
            return ()
        picture = None if self._handed_out else frame.content
        sample = self._maker.make(self.event.drift_event_id, frame.observation, picture, distance_score)
        self._quarantine.add(sample)
        self._collected_count += 1
        if self._collected_count < self._settings.collect_sample_count:
            return ()
        return self.hand_out()

    def hand_out(self) -> tuple[Sample, ...]:
        """Chooses the evidence of the open event, once; pictures are kept no longer than that.

        What may be of an unknown class comes first, so that people see it first.
        """
        if self.event is None or self._handed_out:
            return ()
        self._handed_out = True
        samples = self._quarantine.samples({self.event.drift_event_id})
        if not samples:
            return ()
        points = np.stack([sample.observation.point for sample in samples])
        cover = choose_representatives(points, self._settings.evidence_sample_count)
        for sample in samples:
            self._quarantine.replace(replace(sample, image=None))
        groups = group_of(
            propose_labels(
                points,
                [sample.observation.prediction.label for sample in samples],
                [sample.distance_score for sample in samples],
            )
        )
        rows = sorted(cover.medoids, key=lambda row: bool(groups[row].known_label))
        return tuple(samples[row] for row in rows)

    def close(self, recovery_index: int | None, recovery_time: datetime) -> tuple[DriftEvent, ...]:
        """Ends the open event and returns it, recovered; nothing when none is open."""
        event, self.event = self.event, None
        if event is None:
            return ()
        index = event.alarm.detect_index if recovery_index is None else recovery_index
        return (replace(event, recovery_index=index, recovery_time=recovery_time),)

    def state(self) -> Json:
        """Returns what `read` needs, the quarantine excepted."""
        return {
            "event": pack_event(self.event) if self.event else None,
            "collected_count": self._collected_count,
            "handed_out": self._handed_out,
        }

    @staticmethod
    def read(state: Json) -> EvidenceState:
        """Reads a stored state for `take_up`; raises StateError when it is damaged."""
        with reading("evidence"):
            event = unpack_event(state["event"]) if state["event"] else None
            count, handed_out = int(state["collected_count"]), bool(state["handed_out"])
        if count < 0:
            raise StateError(f"evidence: collected_count is {count}")
        return EvidenceState(event, count, handed_out)

    def take_up(self, state: EvidenceState) -> None:
        """Goes on where a stored state was."""
        self.event, self._collected_count, self._handed_out = state
