"""Bounds and tolerances of an adaptive pipeline; the composition root fills them from the device's settings."""

from dataclasses import dataclass, field

from tinylcm.core.adapt.trial import TrialRule


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
        applied_feedback_count: Answers remembered, so that repeated feedback is answered the same.
        monitor_name: Which of the calibrated monitors runs, see `build_monitor`.
        seed: Of the random numbers of recalibration.
    """

    evidence_sample_count: int = 60
    collect_sample_count: int = 200
    recent_frame_count: int = 400
    recent_size_bytes: int = 8 << 20
    recalibration_frame_count: int = 150
    correction_sample_count: int = 100
    correction_label_count: int = 20
    new_class_weights: tuple[float, ...] = (3.0, 2.0, 1.0)
    new_class_tolerance: float = 0.01
    trial: TrialRule = field(default_factory=TrialRule)
    applied_feedback_count: int = 4096
    monitor_name: str = "default"
    seed: int = 0
