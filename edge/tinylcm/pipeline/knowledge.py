"""All that an adaptation replaces, as one value: what is kept to take it back is exactly this."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from tinylcm.core.adapt.stream_test import StreamView
from tinylcm.pipeline.judgements import JudgedSample, Judgements
from tinylcm.pipeline.learned import LearnedState
from tinylcm.pipeline.packing import nested, reading, unnested
from tinylcm.ports import Arrays, Json
from tinylcm.records import FloatVector


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Knowledge:
    """Never changed: an adaptation makes another one.

    Attributes:
        learned: Classifier, correction and calibration.
        judgements: What people said, and what was guessed.
        normal_since: Source index from which on the stream counts as normal after a drift; None for the reference.
    """

    learned: LearnedState
    judgements: Judgements = field(default_factory=Judgements)
    normal_since: int | None = None

    def detached(self) -> Self:
        """Returns the same knowledge for another thread: classifiers count on being asked by one at a time."""
        return replace(self, learned=replace(self.learned, knn=self.learned.knn.copy()))

    def holds(self, sample_ids: Iterable[str]) -> bool:
        """Whether the classifier stores one of these samples, or one that took a label from them."""
        return any(relative in self.learned.knn for relative in self.judgements.families(sample_ids))

    def overruled(self, added: Sequence[JudgedSample]) -> tuple[str, ...]:
        """Returns the stored samples that new judgements show to be under a wrong label."""
        knn = self.learned.knn
        return self.judgements.overruled(added, dict(zip(knn.sample_ids, knn.labels, strict=True)))

    def parts(self) -> tuple[Json, Arrays]:
        """Returns everything as JSON values and arrays, without loss."""
        learned_meta, learned_arrays = self.learned.parts()
        judged_meta, judged_arrays = self.judgements.parts()
        meta = {"learned": learned_meta, "judgements": judged_meta, "normal_since": self.normal_since}
        return meta, {**nested("learned", learned_arrays), **nested("judgements", judged_arrays)}

    @classmethod
    def from_parts(cls, meta: Json, arrays: Arrays) -> Self:
        """Makes the knowledge whose `parts` these are; raises StateError when they are damaged."""
        with reading("knowledge"):
            return cls(
                learned=LearnedState.from_parts(meta["learned"], unnested("learned", arrays)),
                judgements=Judgements.from_parts(meta["judgements"], unnested("judgements", arrays)),
                normal_since=None if meta["normal_since"] is None else int(meta["normal_since"]),
            )


def view_stream(learned: LearnedState, embeddings: Sequence[FloatVector], law: LearnedState) -> StreamView:
    """Shows embeddings ``(d,)`` to a learned state; distances by the standards of ``law``, the state before it."""
    standard = law.calibration.distance
    points = learned.projection.apply_many(np.stack(embeddings))
    predictions = [learned.knn.predict(point) for point in points]
    return StreamView(
        labels=tuple(prediction.label for prediction in predictions),
        distances=np.array(
            [standard.standardise(seen.mean_distance, seen.label) for seen in predictions], dtype=np.float64
        ),
        confidences=np.array([prediction.confidence for prediction in predictions], dtype=np.float64),
    )
