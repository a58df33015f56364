"""What a device may try of itself when a drift's window is large enough: proposals, each with its trial."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tinylcm.core.adapt.free_mix import class_count, match_freely
from tinylcm.core.adapt.proposals import Proposal, propose_labels
from tinylcm.core.adapt.representatives import choose_representatives
from tinylcm.core.adapt.restandardise import Correction, match_to_mix
from tinylcm.core.adapt.stream_test import StreamRule, StreamView, first_passed, stream_objection
from tinylcm.core.adapt.trial import Figures, objection
from tinylcm.core.drift.mix import FloatArray
from tinylcm.pipeline.adaptive_settings import AdaptiveSettings
from tinylcm.pipeline.judgements import Guess
from tinylcm.pipeline.knowledge import Knowledge, view_stream
from tinylcm.pipeline.modes import Permissions
from tinylcm.pipeline.shadow import measure
from tinylcm.records import AdaptationKind, DriftCause, FloatVector, Sample

_LEAST_WINDOW_COUNT = 40
Fit = Callable[[Sequence[FloatVector]], Correction]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Attempt:
    """A proposal and what its trial found.

    Attributes:
        knowledge: What the device would know; its calibration is still the one before.
        sample_ids: Samples that it learned from.
        stream: The window before and after, every frame judged without having been fitted on.
        reference: Held-back reference before and after.
        expected: Shares of predicted classes that the proposal relies on.
        rule: What the stream said, and will have to say on probation, eased.
        objection: Why it must not stand; empty when it may.
    """

    kind: AdaptationKind
    description: str
    knowledge: Knowledge
    sample_ids: tuple[str, ...]
    stream: tuple[StreamView, StreamView]
    reference: tuple[Figures, Figures]
    expected: Mapping[str, float]
    rule: StreamRule
    objection: str


class LabelFree:
    """Proposes changes for one drift; nothing is changed.

    Args:
        knowledge: What is.
        window: Quarantined samples of the drift.
        seen: Predicted classes of the frames before it.
    """

    def __init__(
        self, knowledge: Knowledge, window: Sequence[Sample], seen: Counter[str], settings: AdaptiveSettings
    ) -> None:
        self._knowledge = knowledge
        self._learned = knowledge.learned
        known = self._learned.moments.class_names
        self._window = [one for one in window if one.observation.prediction.label in known]
        self._embeddings = [one.observation.embedding for one in self._window]
        self._seen = seen
        self._settings = settings

    def attempts(self, cause: DriftCause | None, permitted: Permissions) -> Iterator[Attempt]:
        """Yields what the mode permits and the cause calls for, best founded first; each costs its trial."""
        if len(self._window) < _LEAST_WINDOW_COUNT:
            return
        self._knowledge = self._knowledge.detached()
        self._learned = self._knowledge.learned
        self._before = view_stream(self._learned, self._embeddings, self._learned)
        reference = self._learned.reference()
        self._reference = measure(self._learned, self._knowledge.judgements, (), reference)
        if cause is DriftCause.COVARIATE_SHIFT and permitted.may_correct_sensor:
            yield from self._corrections()
        # Under a change of the sensor a tight group is often a known class in another's place.
        if cause is DriftCause.NOVELTY and permitted.may_pseudo_label:
            yield self._groups()

    def _corrections(self) -> Iterator[Attempt]:
        if self._seen.total() >= self._settings.least_mix_frame_count:
            yield self._matched()
        yield self._free()

    def _matched(self) -> Attempt:
        """A correction that holds on to the class mix seen just before the drift."""
        law = self._learned.calibration.mix
        priors = law.estimate_priors(np.array([self._seen[name] for name in law.classes], dtype=np.float64))
        mix = dict(zip(law.classes, priors.tolist(), strict=True))
        settings = self._settings
        tells = class_count(mix.values()) >= settings.least_class_count
        return self._correction(
            lambda rows: match_to_mix(np.stack(rows), self._learned.moments, mix),
            priors,
            settings.matched_rules if tells else (settings.few_class_rule,),
            f"matched to the class mix of the {self._seen.total()} inputs before the drift",
        )

    def _free(self) -> Attempt:
        """A correction that estimates the class mix along with the sensor."""
        moments, law = self._learned.moments, self._learned.calibration.mix
        found = match_freely(np.stack(self._embeddings), moments)
        attempt = self._correction(
            lambda rows: match_freely(np.stack(rows), moments).correction,
            np.array([found.mix.get(name, 0.0) for name in law.classes]),
            (self._settings.free_rule,),
            "with the class mix estimated along with it",
        )
        count = class_count(found.mix.values())
        if count >= self._settings.least_class_count:
            return attempt
        return replace(attempt, objection=f"{count:.1f} classes are too few to tell a sensor from a mix")

    def _correction(self, fit: Fit, priors: FloatArray, rules: Sequence[StreamRule], manner: str) -> Attempt:
        law = self._learned.calibration.mix
        expected = dict(zip(law.classes, (priors @ law.confusion).tolist(), strict=True))
        after = self._judged_crosswise(fit)
        rule, reason = first_passed(self._before, after, expected, rules)
        return Attempt(
            kind=AdaptationKind.SENSOR_CORRECTION,
            description=f"sensor correction from {len(self._window)} inputs, {manner}",
            knowledge=replace(
                self._knowledge, learned=replace(self._learned, correction=fit(self._embeddings))
            ),
            sample_ids=tuple(one.sample_id for one in self._window),
            stream=(self._before, after),
            reference=(self._reference, self._reference),  # it moves the stream, not what is stored
            expected=expected,
            rule=rule,
            objection=reason,
        )

    def _judged_crosswise(self, fit: Fit) -> StreamView:
        """Views every second frame through a correction fitted on the others."""
        views = []
        for half in (0, 1):
            corrected = replace(self._learned, correction=fit(self._embeddings[1 - half :: 2]))
            views.append(view_stream(corrected, self._embeddings[half::2], self._learned))
        return _interleaved(*views)

    def _groups(self) -> Attempt:
        """Groups of samples that are variants of a known class, under its label."""
        points = self._learned.projection.apply_many(np.stack(self._embeddings))
        proposals = propose_labels(points, self._before.labels, self._before.distances.tolist())
        variants = [proposal for proposal in proposals if proposal.known_label]
        knowledge, guesses = self._with_groups(points, variants)
        reference = measure(knowledge.learned, knowledge.judgements, (), knowledge.learned.reference())
        stored = {sample_id for guess in guesses for sample_id in guess.stored}
        held = [row for row, one in enumerate(self._window) if one.sample_id not in stored]
        before = _rows(self._before, held)
        after = view_stream(knowledge.learned, [self._embeddings[row] for row in held], self._learned)
        rule = self._settings.group_rule
        reason = "no group of inputs is surely a variant of a known class" if not variants else ""
        return Attempt(
            kind=AdaptationKind.PSEUDO_LABELS,
            description=describe(proposals),
            knowledge=knowledge,
            sample_ids=tuple(member for guess in guesses for member in guess.members),
            stream=(before, after),
            reference=(self._reference, reference),
            expected={},
            rule=rule,
            objection=reason
            or objection(self._reference, reference, self._settings.trial)
            or stream_objection(before, after, {}, rule),
        )

    def _with_groups(
        self, points: FloatVector, variants: Sequence[Proposal]
    ) -> tuple[Knowledge, tuple[Guess, ...]]:
        """Stores what stands for each group, never trusted; an unknown class is not stored at all."""
        knn, guesses = self._learned.knn.copy(), []
        for proposal in variants:
            members = list(proposal.cluster.members)
            cover = choose_representatives(points[members], self._settings.group_sample_count)
            rows = [members[row] for row in cover.medoids]
            stored = tuple(
                self._window[row].sample_id
                for row in rows
                if knn.add(points[row], proposal.known_label, self._window[row].sample_id, trusted=False)
            )
            everyone = tuple(self._window[row].sample_id for row in members)
            guesses.append(Guess(label=proposal.known_label, members=everyone, stored=stored))
        judgements = replace(
            self._knowledge.judgements, guesses=(*self._knowledge.judgements.guesses, *guesses)
        )
        learned = replace(self._learned, knn=knn)
        return replace(self._knowledge, learned=learned, judgements=judgements), tuple(guesses)


def describe(proposals: Sequence[Proposal]) -> str:
    """Names the groups for people, largest first."""
    return "; ".join(f"{proposal.name}: {len(proposal.cluster.members)} inputs" for proposal in proposals)


def _interleaved(even: StreamView, odd: StreamView) -> StreamView:
    count = len(even.labels) + len(odd.labels)
    labels, distances, confidences = [""] * count, np.empty(count), np.empty(count)
    for start, view in enumerate((even, odd)):
        labels[start::2] = view.labels
        distances[start::2] = view.distances
        confidences[start::2] = view.confidences
    return StreamView(labels=tuple(labels), distances=distances, confidences=confidences)


def _rows(view: StreamView, rows: Sequence[int]) -> StreamView:
    return StreamView(
        labels=tuple(view.labels[row] for row in rows),
        distances=view.distances[list(rows)],
        confidences=view.confidences[list(rows)],
    )
