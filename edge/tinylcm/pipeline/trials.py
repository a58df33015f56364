"""Turn judgements into a change of the classifier that was measured first, or into the reason why not."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from tinylcm.core.adapt.restandardise import Correction
from tinylcm.core.adapt.trial import Figures, objection
from tinylcm.pipeline.adaptive_settings import AdaptiveSettings
from tinylcm.pipeline.judgements import JudgedSample, Judgements
from tinylcm.pipeline.learned import LearnedState
from tinylcm.pipeline.shadow import Shadow, cast_shadow, estimate_correction, measure
from tinylcm.records import Sample


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trial:
    """The best change found, what it was measured to do, and why it must not stand, if so."""

    shadow: Shadow
    before: Figures
    after: Figures
    objection: str

    @property
    def reference_loss(self) -> float:
        """Accuracy that the reference loses; negative when it gains."""
        return self.before.reference_accuracy - self.after.reference_accuracy

    def is_better_than(self, other: "Trial", *, least_gain: int) -> bool:
        """Whether it may stand and the other not, or gets at least so many more judged samples right."""
        if bool(self.objection) != bool(other.objection):
            return not self.objection
        return sum(self.after.judged) >= sum(other.after.judged) + least_gain


class Trials:
    """Tries what one batch of judgements supports on shadows of a learned state; nothing is changed."""

    def __init__(
        self,
        learned: LearnedState,
        judgements: Judgements,
        quarantined: Sequence[Sample],
        settings: AdaptiveSettings,
        *,
        added: Sequence[JudgedSample],
        dropped: Collection[str],
        corrections: Sequence[Correction] = (),
    ) -> None:
        """Gathers what belongs together: the events of ``added`` with all their judged and quarantined samples.

        Args:
            learned: What is.
            judgements: Those in it.
            quarantined: All quarantined samples.
            settings: Tolerances.
            added: New judgements; a later one of the same sample wins.
            dropped: Ids of samples that must not be learnt from.
            corrections: Of the sensor, found without labels: to be tried as well.
        """
        events = {sample.drift_event_id for sample in added} - {""}
        self._learned = learned
        self._settings = settings
        self._corrections = corrections
        self._teaches = bool(added)
        guessed = judgements.contradicted(added)
        self._dropped = (*dropped, *(sample_id for guess in guessed for sample_id in guess.stored))
        self._judgements = judgements.updated(added, dropped)
        self._active = [
            sample
            for sample in self._judgements.judged.values()
            if sample.drift_event_id in events or sample in added
        ]
        asked = {sample.drift_event_id for sample in added}
        self._bystanders = [
            sample
            for sample in quarantined
            if sample.drift_event_id in asked
            and sample.sample_id not in dropped
            and sample.sample_id not in self._judgements.judged
        ]
        self._window = [
            sample
            for sample in quarantined
            if sample.drift_event_id in events and sample.sample_id not in dropped
        ]
        self._judged = list(self._judgements.judged.values())
        self._reference = learned.reference()
        self._before = measure(learned, judgements, self._judged, self._reference)

    def best(self) -> Trial:
        """Returns the best change found.

        Tried are, in this order, a smaller and smaller weight of new classes until the reference hardly suffers, at
        last the labels alone, none passed on; then, with that weight, other corrections of the sensor. A correction
        must get more judged samples right to be preferred, and two more where a new class already explains the drift.
        What people only take back goes, whatever it costs.
        """
        if not self._teaches:
            return replace(self._trial(self._learned.correction, 1.0), objection="")
        novel = any(sample.label not in self._learned.moments.class_names for sample in self._active)
        for weight in self._settings.new_class_weights if novel else (1.0,):
            best = self._trial(self._learned.correction, weight)
            if not best.objection and best.reference_loss <= self._settings.new_class_tolerance:
                break
        if best.objection and novel:  # a label that spreads too far must not cost the labels themselves
            best = self._trial(self._learned.correction, weight, passes_on=False)
        for correction in self._other_corrections():
            other = self._trial(correction, weight)
            if other.is_better_than(best, least_gain=2 if novel else 1):
                best = other
        return best

    def _other_corrections(self) -> Iterator[Correction]:
        if not self._learned.correction.is_identity:
            yield Correction.identity(len(self._learned.correction.scale))
        yield from self._corrections
        drifted = [sample for sample in self._active if sample.drift_event_id]
        estimated = estimate_correction(self._learned, drifted, self._window, self._settings)
        if estimated is not None:
            yield estimated

    def _trial(self, correction: Correction, new_class_weight: float, *, passes_on: bool = True) -> Trial:
        shadow = cast_shadow(
            self._learned,
            self._judgements,
            self._active,
            self._bystanders if passes_on else (),
            dropped=self._dropped,
            correction=correction,
            new_class_weight=new_class_weight,
        )
        after = measure(shadow.learned, shadow.judgements, self._judged, self._reference)
        reason = objection(self._before, after, self._settings.trial)
        return Trial(shadow=shadow, before=self._before, after=after, objection=reason)
