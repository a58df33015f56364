"""The one place where what a device knows is replaced, watched and restored; every attempt leaves a record."""

from collections.abc import Sequence
from dataclasses import replace

from tinylcm.core.adapt.stream_test import StreamView
from tinylcm.core.drift.calibration import build_monitor
from tinylcm.core.drift.monitor import Monitor
from tinylcm.pipeline.change import Change
from tinylcm.pipeline.inference import InferencePipeline
from tinylcm.pipeline.knowledge import Knowledge
from tinylcm.pipeline.label_free import Attempt
from tinylcm.pipeline.lineage import MOST_SAMPLE_IDS, Lineage, moved_on
from tinylcm.pipeline.packing import nested, reading, unnested
from tinylcm.pipeline.probation import Probation
from tinylcm.pipeline.surroundings import Surroundings
from tinylcm.ports import Arrays, Json
from tinylcm.records import (
    Adaptation,
    AdaptationEffect,
    AdaptationKind,
    AdaptationState,
)


class Transactions:
    """Knowledge and monitor are replaced together or not at all, and restored together.

    Attributes:
        knowledge: What the device knows now.
        monitor: Calibrated for it.
        probation: What is watched now, or None.
        lineage: What was tried lately.
        adaptation_count: Changes put in place, those taken back included.
    """

    def __init__(self, inference: InferencePipeline, monitor: Monitor, surroundings: Surroundings) -> None:
        self._inference = inference
        self._surroundings = surroundings
        self.knowledge = Knowledge(learned=inference.learned)
        self.monitor = monitor
        self.probation: Probation | None = None
        self.lineage = Lineage(surroundings.settings.lineage_count)
        self.adaptation_count = 0

    def record(
        self,
        kind: AdaptationKind,
        state: AdaptationState,
        *,
        drift_event_id: str,
        description: str,
        reason: str = "",
        effect: AdaptationEffect,
        sample_ids: Sequence[str],
    ) -> Adaptation:
        """Remembers an attempt and returns its record."""
        return self.lineage.keep(
            Adaptation(
                adaptation_id=effect.adaptation_id,
                model=self._surroundings.model,
                kind=kind,
                state=state,
                drift_event_id=drift_event_id,
                description=description,
                reason=reason,
                effect=effect,
                sample_ids=tuple(sample_ids[:MOST_SAMPLE_IDS]),
                decide_time=self._surroundings.clock.now(),
            )
        )

    def commit(self, change: Change) -> None:
        """Puts a change in place for good."""
        self._put(change.knowledge, change.monitor)
        self.adaptation_count += 1

    def commit_on_probation(self, change: Change, attempt: Attempt, adaptation: Adaptation) -> None:
        """Puts a change in place, and keeps all that it replaces."""
        index = self._surroundings.recent.newest_index
        self.probation = Probation(
            adaptation=adaptation,
            before=self.knowledge,
            monitor_state=self.monitor.state(),
            first_index=0 if index is None else index + 1,
            frames_left=self._surroundings.settings.probation_frame_count,
            expected=attempt.expected,
            rule=attempt.rule.eased(),
        )
        self.commit(change)

    def roll_back(self, reason: str) -> Adaptation:
        """Restores exactly what was before the change on probation, its monitor included."""
        probation = self._end_probation()
        monitor = build_monitor(
            probation.before.learned.calibration, self._surroundings.settings.monitor_name
        )
        monitor.restore(probation.monitor_state)
        self._put(probation.before, monitor)
        return self._move(probation.adaptation, AdaptationState.ROLLED_BACK, reason)

    def confirm(self, views: tuple[StreamView, StreamView] | None, recalibrated: Change | None) -> Adaptation:
        """Ends the probation well.

        Args:
            views: Its frames as seen before and after the change.
            recalibrated: The same knowledge with other monitors; without it the present one starts afresh.
        """
        adaptation = self._end_probation().adaptation
        if recalibrated is None:
            self.monitor.reset()
        else:
            self._put(recalibrated.knowledge, recalibrated.monitor)
        if views is not None and adaptation.effect is not None:
            effect = replace(
                adaptation.effect,
                stream_distance_before=views[0].mean_distance,
                stream_distance_after=views[1].mean_distance,
                stream_sample_count=len(views[1].labels),
            )
            adaptation = replace(adaptation, effect=effect)
        return self._move(adaptation, AdaptationState.CONFIRMED)

    def _put(self, knowledge: Knowledge, monitor: Monitor) -> None:
        self.knowledge, self.monitor = knowledge, monitor
        self._inference.learned = knowledge.learned

    def _end_probation(self) -> Probation:
        probation, self.probation = self.probation, None
        if probation is None:
            raise RuntimeError("no change is on probation")
        return probation

    def _move(self, adaptation: Adaptation, state: AdaptationState, reason: str = "") -> Adaptation:
        return self.lineage.keep(moved_on(adaptation, state, self._surroundings.clock.now(), reason))

    def state(self) -> tuple[Json, Arrays]:
        """Returns everything as JSON values and arrays, without loss."""
        meta, arrays = self.knowledge.parts()
        probation_meta, probation_arrays = self.probation.parts() if self.probation else (None, {})
        meta |= {
            "monitor": self.monitor.state(),
            "probation": probation_meta,
            "lineage": self.lineage.state(),
            "adaptation_count": self.adaptation_count,
        }
        return meta, {**arrays, **nested("probation", probation_arrays)}

    def restore(self, meta: Json, arrays: Arrays) -> None:
        """Takes up a stored state; raises StateError when it is damaged, and nothing has changed then."""
        settings = self._surroundings.settings
        with reading("pipeline"):
            knowledge = Knowledge.from_parts(meta, arrays)
            monitor = build_monitor(knowledge.learned.calibration, settings.monitor_name)
            monitor.restore(meta["monitor"])
            probation = (
                Probation.from_parts(meta["probation"], unnested("probation", arrays))
                if meta["probation"] is not None
                else None
            )
            lineage = Lineage.from_state(meta["lineage"], settings.lineage_count)
            adaptation_count = int(meta["adaptation_count"])
        self._put(knowledge, monitor)
        self.probation, self.lineage, self.adaptation_count = probation, lineage, adaptation_count
