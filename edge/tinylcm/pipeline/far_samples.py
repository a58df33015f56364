"""Single frames far from all that is known, outside any drift: few are kept, fewer are shown to people."""

from dataclasses import replace

from tinylcm.core.adapt.quarantine import Quarantine
from tinylcm.core.order import quantile
from tinylcm.pipeline.adaptive_settings import AdaptiveSettings
from tinylcm.pipeline.evidence import SampleMaker
from tinylcm.pipeline.learned import LearnedState
from tinylcm.pipeline.recent import RecentFrame
from tinylcm.ports import Json
from tinylcm.records import Sample


class FarSamples:
    """Quarantines far frames as samples without an event, and hands one out now and then.

    A frame is far when its distance score exceeds nearly all leave-one-out scores of the stored samples. One is
    handed out a while after it was seen: by then an alarm would have said that it was the first frame of a drift.
    """

    def __init__(self, quarantine: Quarantine, maker: SampleMaker, settings: AdaptiveSettings) -> None:
        self._quarantine = quarantine
        self._maker = maker
        self._settings = settings
        self._room = int(quarantine.capacity * settings.far_sample_most_share)
        self._calibrated: LearnedState | None = None
        self._bound = float("inf")
        self._chosen_id = ""
        self._chosen_index = -settings.far_sample_every_frames

    def take(self, frame: RecentFrame, distance_score: float, learned: LearnedState) -> tuple[Sample, ...]:
        """Takes a frame outside any drift, and keeps it if it is far; returns one that people should see, if due."""
        index = frame.observation.source_index
        may_be_far = self._room > 0 and distance_score > self._settings.far_sample_least_sigma
        if may_be_far and distance_score > self._bound_for(learned):
            self._keep(frame, distance_score)
        if not self._chosen_id or 0 <= index - self._chosen_index < self._settings.far_sample_wait_frames:
            return ()
        sample, self._chosen_id = self._quarantine.get(self._chosen_id), ""
        if sample is None:
            return ()
        self._quarantine.replace(replace(sample, image=None))
        return (sample,)

    def _keep(self, frame: RecentFrame, distance_score: float) -> None:
        far = self._quarantine.samples({""})
        if len(far) >= self._room:
            self._quarantine.remove(far[0].sample_id)
        since = frame.observation.source_index - self._chosen_index
        is_due = since >= self._settings.far_sample_every_frames or since < 0  # a source may begin anew
        content = frame.content if is_due else None
        sample = self._maker.make("", frame.observation, content, distance_score)
        self._quarantine.add(sample)
        if is_due:
            self._chosen_id, self._chosen_index = sample.sample_id, frame.observation.source_index

    def forget_since(self, source_index: int) -> None:
        """Drops those that turned out to be frames of a drift."""
        for sample in self._quarantine.samples({""}):
            if sample.observation.source_index >= source_index:
                self._quarantine.remove(sample.sample_id)

    def state(self) -> Json:
        """Returns what `restore` needs, the quarantine excepted."""
        return {"chosen_id": self._chosen_id, "chosen_index": self._chosen_index}

    def restore(self, chosen_id: str, chosen_index: int) -> None:
        """Goes on where a stored state was."""
        self._chosen_id, self._chosen_index = chosen_id, chosen_index

    def _bound_for(self, learned: LearnedState) -> float:
        if self._calibrated is not learned:
            law = learned.calibration.distance
            scores = [
                law.standardise(seen.mean_distance, seen.label)
                for seen in learned.knn.leave_one_out_predictions()
            ]
            rarely = quantile(scores, self._settings.far_sample_quantile)
            self._bound = max(rarely, self._settings.far_sample_least_sigma)
            self._calibrated = learned
        return self._bound
