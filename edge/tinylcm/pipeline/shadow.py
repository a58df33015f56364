"""A shadow of what a device has learned, changed by judgements: to be measured before it may replace the original."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tinylcm.core.adapt.propagation import propagate
from tinylcm.core.adapt.restandardise import Correction, match_to_mix
from tinylcm.core.adapt.trial import Figures
from tinylcm.core.classify.distances import FloatMatrix, pairwise_distances
from tinylcm.core.classify.knn import LightweightKNN
from tinylcm.core.classify.transform import Transform
from tinylcm.pipeline.adaptive_settings import AdaptiveSettings
from tinylcm.pipeline.judgements import JudgedSample, Judgements
from tinylcm.pipeline.learned import LearnedState, ReferenceSample
from tinylcm.records import FloatVector, Sample


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shadow:
    """A changed copy: the state it would be, the judgements in it, and how many samples took a label."""

    learned: LearnedState
    judgements: Judgements
    propagated_count: int


def cast_shadow(
    learned: LearnedState,
    judgements: Judgements,
    active: Sequence[JudgedSample],
    bystanders: Sequence[Sample],
    *,
    dropped: Collection[str],
    correction: Correction,
    new_class_weight: float,
) -> Shadow:
    """Returns what ``learned`` would be.

    Args:
        learned: What is; stays as it is.
        judgements: All judgements, the new ones among them.
        active: Those to put in afresh, with what they pass on.
        bystanders: Quarantined samples without a judgement, from the same events.
        dropped: Samples to take out, with what took a label from them.
        correction: Of the sensor, from now on.
        new_class_weight: Weight of votes for classes that the reference does not hold.
    """
    knn = learned.knn.copy()
    for relative in judgements.families((*dropped, *(sample.sample_id for sample in active))):
        knn.remove(relative)
    projection = correction.applied_to(learned.transform)
    # What was seen outside any drift, the drifted sensor did not touch.
    places = {True: projection, False: learned.projection}
    points = _placed(places, [(bool(one.drift_event_id), one.embedding) for one in active])
    for point, sample in zip(points, active, strict=True):
        known = sample.label in learned.moments.class_names
        weight = 1.0 if known else new_class_weight
        knn.add(point, sample.label, sample.sample_id, trusted=True, weight=weight)
    children = _pass_on(learned, knn, places, points, active, bystanders, new_class_weight)
    stored = set(knn.labels)  # a name that people took back is gone with its last sample
    names = dict.fromkeys((*learned.class_names, *(sample.label for sample in active)))
    reference = learned.moments.class_names
    changed = replace(
        learned,
        knn=knn,
        correction=correction,
        class_names=tuple(name for name in names if name in reference or name in stored),
    )
    return Shadow(
        learned=changed,
        judgements=judgements.with_children(children, knn),
        propagated_count=sum(map(len, children.values())),
    )


def estimate_correction(
    learned: LearnedState,
    active: Sequence[JudgedSample],
    window: Sequence[Sample],
    settings: AdaptiveSettings,
) -> Correction | None:
    """Estimates what the sensor did to ``window``, from what people said of ``active``; None with too little of both.

    Every sample of the window counts for the class of the judged sample nearest to it: that gives the class mix, and
    keeps samples of new classes out.
    """
    known = learned.moments.class_names
    if sum(sample.label in known for sample in active) < settings.correction_label_count or not window:
        return None
    embeddings = np.stack([sample.observation.embedding for sample in window])
    points = learned.projection.apply_many(embeddings)
    nearest = pairwise_distances(points, _project(learned.projection, active)).argmin(axis=1)
    labels = [active[row].label for row in nearest]
    rows = [row for row, label in enumerate(labels) if label in known]
    if len(rows) < settings.correction_sample_count:
        return None
    mix = Counter(labels[row] for row in rows)
    return match_to_mix(embeddings[rows], learned.moments, mix)


def measure(
    learned: LearnedState,
    judgements: Judgements,
    judged: Sequence[JudgedSample],
    reference: Sequence[ReferenceSample],
) -> Figures:
    """Measures a classifier on samples it does not see while it judges them.

    A judged sample is left out together with those that took its label; a reference sample is left out alone.
    """
    knn = learned.knn
    return Figures(
        judged=tuple(
            knn.predict(_point(learned, sample), excluding=judgements.family(sample.sample_id)).label
            == sample.label
            for sample in judged
        ),
        reference=tuple(
            knn.predict(sample.point, excluding=(sample.sample_id,)).label == sample.label
            for sample in reference
        ),
    )


def _point(learned: LearnedState, sample: JudgedSample) -> FloatVector:
    stored = learned.knn.point_of(sample.sample_id)
    return learned.projection.apply(sample.embedding) if stored is None else stored


def _project(projection: Transform, samples: Sequence[JudgedSample]) -> FloatMatrix:
    if not samples:
        return np.empty((0, projection.point_dimension_count), dtype=np.float32)
    return projection.apply_many(np.stack([sample.embedding for sample in samples]))


def _placed(places: Mapping[bool, Transform], samples: Sequence[tuple[bool, FloatVector]]) -> FloatMatrix:
    """Projects each embedding as its flag says, ``(n, p)``."""
    points = [places[is_drifted].apply(embedding) for is_drifted, embedding in samples]
    return np.stack(points) if points else np.empty((0, places[True].point_dimension_count), dtype=np.float32)


def _pass_on(
    learned: LearnedState,
    knn: LightweightKNN,
    places: Mapping[bool, Transform],
    points: FloatMatrix,
    active: Sequence[JudgedSample],
    bystanders: Sequence[Sample],
    weight: float,
) -> dict[str, tuple[str, ...]]:
    """Adds the bystanders that may take a label; returns, by judged sample, who took its label."""
    labels = [sample.label for sample in active]
    new_classes = set(labels) - set(learned.moments.class_names)
    children: dict[str, tuple[str, ...]] = {sample.sample_id: () for sample in active}
    if not (new_classes and bystanders):
        return children
    free = _placed(places, [(bool(one.drift_event_id), one.observation.embedding) for one in bystanders])
    for row, source, label in propagate(
        free,
        points,
        labels,
        np.stack([sample.point for sample in learned.reference()]),
        eligible=new_classes,
        metric=knn.metric,
    ):
        sample_id, parent = bystanders[row].sample_id, active[source].sample_id
        if knn.add(free[row], label, sample_id, trusted=False, weight=weight):
            children[parent] += (sample_id,)
    return children
