"""The default monitor: harm and prior shift told apart, all channels under one budget."""

from tinylcm.core.drift.harm import HarmWatch, Scores
from tinylcm.core.drift.limits import Calibration
from tinylcm.core.drift.monitor import Reading
from tinylcm.core.drift.prior_shift import PriorShiftWatch
from tinylcm.core.drift.scores import ScalarScore, VectorScore
from tinylcm.core.drift.state import check_owner, read_numbers, read_part
from tinylcm.errors import StateError
from tinylcm.ports import Json
from tinylcm.records import Alarm, Observation, Recovery


class Combination:
    """A `Monitor` of feature residual, neighbour distance and class mix.

    One alarm stands at a time: harm under ``name``, or a prior shift under ``name.class_distribution``. While harm
    stands the class mix is not judged; harm that comes upon a prior shift ends it first, one observation earlier.
    """

    def __init__(
        self,
        harm: HarmWatch,
        prior: PriorShiftWatch,
        calibration: Calibration,
        scores: tuple[VectorScore, ScalarScore, VectorScore],
    ) -> None:
        self.name = harm.name
        self._harm = harm
        self._prior = prior
        self._residual, self._distance, self._mix = scores
        self._due = False
        self._index = {label: index for index, label in enumerate(calibration.mix.classes)}

    @property
    def drifting(self) -> bool:
        """Whether an alarm stands that has not recovered."""
        return self._harm.drifting or self._prior.drifting

    @property
    def readings(self) -> tuple[Reading, ...]:
        """Where the tests of all channels stand."""
        return self._harm.readings + self._prior.readings

    def update(self, observation: Observation) -> Alarm | Recovery | None:
        """Reads one observation; see `Monitor.update`."""
        scores = self._scores(observation)
        if self._harm.drifting:
            return self._harm.follow(scores)
        if not self._due and not self._harm.finds(scores):
            return self._prior.update(scores.source_index, scores.mix)
        self._due = self._prior.drifting
        if self._due:
            return self._prior.supersede(scores.source_index)
        self._prior.forget_crossing()
        return self._harm.alarm(scores.source_index)

    def _scores(self, observation: Observation) -> Scores:
        return Scores(
            observation.source_index,
            self._index.get(observation.prediction.label, 0),
            self._residual(observation),
            self._distance(observation),
            self._mix(observation),
        )

    def reset(self) -> None:
        """Forgets the stream and keeps the reference."""
        self._harm.reset()
        self._prior.reset()
        self._due = False

    def state(self) -> Json:
        """Returns what `restore` needs."""
        return {
            "name": self.name,
            "harm": self._harm.state(),
            "prior": self._prior.state(),
            "due": int(self._due),
        }

    def restore(self, state: Json) -> None:
        """Takes up a stored state; see `Monitor.restore`."""
        check_owner(state, self.name)
        before = self.state()
        try:
            self._restore(state)
        except StateError:
            self._restore(before)
            raise

    def _restore(self, state: Json) -> None:
        due = read_numbers(state, ("due",), self.name)["due"]
        self._harm.restore(read_part(state, "harm", self.name))
        self._prior.restore(read_part(state, "prior", self.name))
        self._due = bool(due)
