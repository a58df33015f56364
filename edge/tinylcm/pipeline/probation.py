"""A change made without labels is watched on the stream before it counts; until then the way back is kept whole."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Self

from tinylcm.core.adapt.stream_test import StreamRule, StreamView, stream_objection
from tinylcm.pipeline.knowledge import Knowledge, view_stream
from tinylcm.pipeline.learned import LearnedState
from tinylcm.pipeline.lineage import pack_adaptation, unpack_adaptation
from tinylcm.pipeline.packing import nested, reading, unnested
from tinylcm.ports import Arrays, Json
from tinylcm.records import Adaptation, FloatVector


@dataclass(slots=True, kw_only=True, eq=False)
class Probation:
    """What is watched, and what would be restored.

    Attributes:
        adaptation: COMMITTED.
        before: All that the change replaced.
        monitor_state: Of the monitor that it replaced, calibrated as in `before`.
        first_index: Source index of the first frame that is watched.
        frames_left: Frames still to be watched.
        expected: Shares of predicted classes that the change relies on.
        rule: What the stream must say of it at the end: that of its trial, eased.
    """

    adaptation: Adaptation
    before: Knowledge
    monitor_state: Json
    first_index: int
    frames_left: int
    expected: Mapping[str, float]
    rule: StreamRule

    def judge(
        self, learned: LearnedState, embeddings: Sequence[FloatVector]
    ) -> tuple[str, tuple[StreamView, StreamView] | None]:
        """Repeats the trial on the frames ``(d,)`` since the change; returns what speaks against it, and the views."""
        if not embeddings:
            return "", None
        old = self.before.learned
        views = view_stream(old, embeddings, old), view_stream(learned, embeddings, old)
        return stream_objection(*views, self.expected, self.rule), views

    def parts(self) -> tuple[Json, Arrays]:
        """Returns everything as JSON values and arrays, without loss."""
        before_meta, before_arrays = self.before.parts()
        meta = {
            "adaptation": pack_adaptation(self.adaptation),
            "before": before_meta,
            "monitor": self.monitor_state,
            "first_index": self.first_index,
            "frames_left": self.frames_left,
            "expected": dict(self.expected),
            "rule": asdict(self.rule),
        }
        return meta, nested("before", before_arrays)

    @classmethod
    def from_parts(cls, meta: Json, arrays: Arrays) -> Self:
        """Makes the probation whose `parts` these are; raises StateError when they are damaged."""
        with reading("probation"):
            return cls(
                adaptation=unpack_adaptation(meta["adaptation"]),
                before=Knowledge.from_parts(meta["before"], unnested("before", arrays)),
                monitor_state=dict(meta["monitor"]),
                first_index=int(meta["first_index"]),
                frames_left=int(meta["frames_left"]),
                expected={str(name): float(share) for name, share in meta["expected"].items()},
                rule=StreamRule(**{name: float(value) for name, value in meta["rule"].items()}),
            )
