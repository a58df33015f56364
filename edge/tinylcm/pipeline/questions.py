"""Questions without an alarm: at a low rate, a few frames that stand for the stream are shown to people.

A new class that looks like a known one moves neither distances nor votes: it raises no alarm, or a late one, and stays
unknown as long as only alarms ask. Frames chosen for being far or uncertain miss it for the same reason; frames chosen
to cover the stream do not.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from tinylcm.core.adapt.quarantine import Quarantine
from tinylcm.core.adapt.representatives import choose_representatives
from tinylcm.pipeline.adaptive_settings import AdaptiveSettings
from tinylcm.pipeline.evidence import SampleMaker
from tinylcm.pipeline.packing import reading
from tinylcm.pipeline.recent import RecentFrame, RecentFrames
from tinylcm.ports import Json
from tinylcm.records import Observation, Sample

_LEAST_COUNT = 2
"""Fewer frames than this have nothing to cover."""


class Questions:
    """Asks about every block of frames outside a harmful drift, while not too many questions are open.

    What it does not ask about stays in the quarantine as samples without an event: they may take the label of one
    that was asked about.
    """

    def __init__(
        self, quarantine: Quarantine, maker: SampleMaker, recent: RecentFrames, settings: AdaptiveSettings
    ) -> None:
        self._quarantine = quarantine
        self._maker = maker
        self._recent = recent
        self._settings = settings
        self._room = int(quarantine.capacity * settings.far_sample_most_share)
        self._open: OrderedDict[str, int] = OrderedDict()
        self._count = 0
        self._first_index = 0

    def take(self, source_index: int, score_of: Callable[[Observation], float]) -> tuple[Sample, ...]:
        """Takes note of the newest frame; returns what people should be asked when a block is full."""
        if not self._count:
            self._first_index = source_index
        self._count += 1
        if self._count < self._settings.question_frame_count:
            return ()
        self._count = 0
        self._expire(source_index)
        count = min(self._settings.question_count, self._settings.open_question_count - len(self._open))
        frames = self._recent.since(self._first_index)
        chosen = self._choose(frames, count)
        return self._keep(frames, chosen, score_of) if chosen else ()

    def begin_anew(self) -> None:
        """Leaves the frames so far to the drift that they may belong to."""
        self._count = 0

    def answered(self, sample_ids: Iterable[str]) -> None:
        """Makes room for other questions."""
        for sample_id in sample_ids:
            self._open.pop(sample_id, None)

    @staticmethod
    def _choose(frames: Sequence[RecentFrame], count: int) -> frozenset[int]:
        """Source indices of the frames that cover all that still have their content, for a picture of them."""
        visible = [frame.observation for frame in frames if frame.content is not None]
        if count < 1 or len(visible) < _LEAST_COUNT:
            return frozenset()
        cover = choose_representatives(np.stack([seen.point for seen in visible]), count)
        return frozenset(visible[row].source_index for row in cover.medoids)

    def _keep(
        self, frames: Sequence[RecentFrame], chosen: frozenset[int], score_of: Callable[[Observation], float]
    ) -> tuple[Sample, ...]:
        """Quarantines the block, the oldest samples without an event leave; returns the chosen with their pictures."""
        known = {sample.observation.source_index: sample for sample in self._quarantine.samples({""})}
        asked = []
        for frame in frames[-self._room :]:
            seen = frame.observation
            sample = known.get(seen.source_index)
            if seen.source_index in chosen:
                self._quarantine.remove(sample.sample_id if sample else "")
                sample = self._maker.make("", seen, frame.content, score_of(seen))
                asked.append(sample)
                self._open[sample.sample_id] = seen.source_index
            elif sample is None:
                sample = self._maker.make("", seen, None, score_of(seen))
            self._quarantine.add(replace(sample, image=None))
        loose = self._quarantine.samples({""})
        for sample in loose[: max(len(loose) - self._room, 0)]:
            self._quarantine.remove(sample.sample_id)
        return tuple(asked)

    def _expire(self, source_index: int) -> None:
        """Nobody answers for ever: what was asked long ago, or before the source began anew, is given up."""
        for sample_id, asked_index in list(self._open.items()):
            if not 0 <= source_index - asked_index <= self._settings.question_expire_frames:
                del self._open[sample_id]

    def state(self) -> Json:
        """Returns the open questions; the block is begun anew, its frames are not kept either."""
        return {"open": [[sample_id, index] for sample_id, index in self._open.items()]}

    @staticmethod
    def read(state: Json) -> dict[str, int]:
        """Reads a stored state for `take_up`; raises StateError when it is damaged."""
        with reading("questions"):
            return {str(sample_id): int(index) for sample_id, index in state["open"]}

    def take_up(self, open_questions: dict[str, int]) -> None:
        """Goes on where a stored state was."""
        self._open = OrderedDict(open_questions)
        self._count = 0
