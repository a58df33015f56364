"""Bounds and tolerances of an adaptive pipeline; the composition root fills them from the device's settings."""

from dataclasses import dataclass, field

from tinylcm.core.adapt.stream_test import StreamRule
from tinylcm.core.adapt.trial import TrialRule

_NEVER = 1e9
"""A gain that no mix reaches, a distance that every mix keeps."""
_MATCHED_RULES = (
    StreamRule(),
    StreamRule(
        most_mix_distance=0.3, least_confidence_gain=0.05, least_mix_gain=_NEVER, most_distance_rise=2.5
    ),
)
_FEW_CLASS_RULE = StreamRule(least_confidence_gain=0.05, least_mix_gain=_NEVER, most_distance_rise=0.5)
_FREE_RULE = StreamRule(most_mix_distance=0.2, least_confidence_gain=0.08, least_mix_gain=_NEVER)
_GROUP_RULE = StreamRule(most_mix_distance=_NEVER, least_confidence_gain=-0.02, most_distance_rise=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptiveSettings:
    """All counts are at least 1.

    Attributes:
        evidence_sample_count: Most samples sent per drift event.
        collect_sample_count: Drifting frames, those before the alarm included, from which these are chosen.
        recent_frame_count: Frames kept in memory for what happened just before an alarm, and for recalibration.
        recent_size_bytes: Bound of the raw contents among them; older contents are dropped, so that evidence
            from before an alarm may lack its picture.
        recalibration_frame_count: Recent frames from which on they alone say what is normal after a drift.
        correction_sample_count: Quarantined samples of known classes needed to re-standardise.
        correction_label_count: Judged samples of known classes needed to re-standardise.
        new_class_weights: Weights of a new class's votes, tried in this order: the reference is dense, a new class
            is not. The first that costs the reference no more than `new_class_tolerance` is taken, else the last.
        new_class_tolerance: Accuracy on the reference that a larger weight may cost, 0 to 1.
        trial: What an adaptation may cost.
        mix_frame_count: Undrifted frames whose predicted classes are remembered as the recent class mix.
        least_mix_frame_count: So many of them, at least, make a mix that a correction may hold on to.
        matched_rules: What the stream must say of a correction matched to the recent mix; one of them is enough.
        least_class_count: Effective number of classes from which on a mix says something: one class fits the place
            of any other.
        few_class_rule: The rule in place of `matched_rules` for a recent mix of fewer.
        free_rule: The same of a correction that assumes no mix, and finds so many classes: stricter.
        group_rule: The same of pseudo-labelled groups.
        group_sample_count: Most samples of a pseudo-labelled group that are stored.
        probation_frame_count: Frames that a label-free change is watched for before it is confirmed.
        far_sample_quantile: Share of the stored samples whose distance is below the bound of a far one.
        far_sample_least_sigma: Lower bound of that bound, in standard deviations of the predicted class.
        far_sample_most_share: Most of the quarantine that samples outside any drift may take.
        far_sample_every_frames: At most one far sample is handed out in so many frames.
        far_sample_wait_frames: It is handed out so many frames after it was seen, unless a drift began with it.
        question_frame_count: Frames outside a harmful drift of which people are asked about some.
        question_count: About so many of them.
        open_question_count: Most questions that wait for an answer; then no more are asked.
        question_expire_frames: After so many frames a question is given up.
        lineage_count: Adaptations remembered.
        applied_feedback_count: Answers remembered, so that repeated feedback is answered the same.
        monitor_name: Which of the calibrated monitors runs, see `build_monitor`.
        seed: Of the random numbers of recalibration.
    """

    evidence_sample_count: int = 60
    collect_sample_count: int = 200
    recent_frame_count: int = 400
    recent_size_bytes: int = 2 << 20
    recalibration_frame_count: int = 150
    correction_sample_count: int = 100
    correction_label_count: int = 20
    new_class_weights: tuple[float, ...] = (3.0, 2.0, 1.0)
    new_class_tolerance: float = 0.01
    trial: TrialRule = field(default_factory=TrialRule)
    mix_frame_count: int = 300
    least_mix_frame_count: int = 100
    matched_rules: tuple[StreamRule, ...] = _MATCHED_RULES
    least_class_count: float = 2.5
    few_class_rule: StreamRule = field(default_factory=lambda: _FEW_CLASS_RULE)
    free_rule: StreamRule = field(default_factory=lambda: _FREE_RULE)
    group_rule: StreamRule = field(default_factory=lambda: _GROUP_RULE)
    group_sample_count: int = 8
    probation_frame_count: int = 200
    far_sample_quantile: float = 0.999
    far_sample_least_sigma: float = 4.0
    far_sample_most_share: float = 0.5
    far_sample_every_frames: int = 500
    far_sample_wait_frames: int = 100
    question_frame_count: int = 200
    question_count: int = 12
    open_question_count: int = 60
    question_expire_frames: int = 20_000
    lineage_count: int = 50
    applied_feedback_count: int = 4096
    monitor_name: str = "default"
    seed: int = 0
