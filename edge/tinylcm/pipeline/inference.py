"""From a frame to a classified observation."""

from tinylcm.pipeline.laps import Laps
from tinylcm.pipeline.learned import LearnedState
from tinylcm.ports import Extractor
from tinylcm.records import Frame, Observation


class InferencePipeline:
    """Extract, project, classify."""

    def __init__(self, extractor: Extractor, learned: LearnedState) -> None:
        self._extractor = extractor
        self.learned = learned

    def observe(self, frame: Frame, laps: Laps | None = None) -> Observation:
        """Classifies one frame; ``laps`` hears when the stages "extract" and "classify" are over.

        Raises:
            InputError: The frame is not what the extractor takes, or its embedding is not finite.
        """
        embedding = self._extractor.extract(frame.content)
        if laps is not None:
            laps.lap()
        point = self.learned.projection.apply(embedding)
        observation = Observation(
            source_index=frame.source_index,
            capture_time=frame.capture_time,
            embedding=embedding,
            point=point,
            prediction=self.learned.knn.predict(point),
        )
        if laps is not None:
            laps.lap()
        return observation
