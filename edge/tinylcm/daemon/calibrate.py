"""`tinylcm calibrate`: another false-alarm budget, or other recordings, for the monitors of a bundle."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tinylcm.adapters.bundle import Bundle, Release, build_bundle
from tinylcm.adapters.keys import load_private_key
from tinylcm.adapters.tflite import TfliteExtractor
from tinylcm.core.drift.bootstrap import SHIFTS_SIGMA
from tinylcm.core.drift.calibration import Calibration
from tinylcm.daemon.labelled import embed, read_labelled
from tinylcm.errors import BundleError, InputError
from tinylcm.pipeline.judged import calibrate_judged, find_recordings, judge_recordings, judge_stored
from tinylcm.pipeline.learned import LearnedState
from tinylcm.ports import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrateOptions:
    """What `tinylcm calibrate` was asked for.

    Without ``recordings`` the stored samples are the ground; ``release_counter`` None is the bundle's and one.
    """

    recordings: Path | None
    out: Path
    key: Path
    release_counter: int | None
    budget_predictions: int
    seed: int
    thread_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """What was derived, and the bundle that holds it."""

    calibration: Calibration
    release_counter: int
    bundle_sha256: str

    def summary(self) -> Json:
        """Returns it as one JSON object; delays are in predictions, by shift in standard deviations."""
        found = self.calibration
        return {
            "bundle_sha256": self.bundle_sha256,
            "release_counter": self.release_counter,
            "budget_predictions": found.budget_predictions,
            "runtime": found.runtime,
            "sample_count": found.sample_count,
            "recording_count": found.recording_count,
            "monitors": {name: limits.to_json() for name, limits in found.limits.items()},
            "caveat": found.caveat,
        }

    def table(self) -> str:
        """Returns it for people."""
        found = self.calibration
        ground = f"{found.recording_count:,} recordings of " if found.recording_count else ""
        shifts = "".join(f"{f'{shift} sigma':>10}" for shift in SHIFTS_SIGMA)
        lines = [
            f"one false alarm in {found.budget_predictions:,} predictions, "
            f"from {ground}{found.sample_count:,} samples, with {found.runtime}",
            f"{'':36}{'threshold':>10}{'slack':>7}{shifts}",
        ]
        for name, limits in sorted(found.limits.items()):
            delays = "".join(f"{limits.expected_delays[str(shift)]:10.1f}" for shift in SHIFTS_SIGMA)
            lines.append(f"{name:36}{limits.threshold:10.2f}{limits.slack:7.2f}{delays}")
        lines.append("under sigma: expected delay of the alarm after a shift so large, in predictions")
        return "\n".join([*lines, found.caveat] if found.caveat else lines)


def calibrate(bundle: Bundle, options: CalibrateOptions) -> Calibrated:
    """Writes a signed bundle with the same extractor and samples, and monitors calibrated anew.

    Raises:
        InputError: The recordings cannot be read or do not fit the model, or the budget is out of its range.
        BundleError: Key or counter cannot be used, or another engine made the stored samples.
        StateError: The bundle's learned state is damaged.
    """
    key = load_private_key(options.key)
    counter = _next_counter(bundle, options.release_counter)
    learned = LearnedState.from_parts(bundle.meta, bundle.arrays)
    calibration = _calibration(bundle, learned, options)
    meta, arrays = replace(learned, calibration=calibration).parts()
    digest = build_bundle(
        options.out,
        Release.anew(bundle.manifest, counter),
        extractor=bundle.extractor,
        meta=meta,
        arrays=arrays,
        key=key,
    )
    return Calibrated(calibration=calibration, release_counter=counter, bundle_sha256=digest)


def _next_counter(bundle: Bundle, asked: int | None) -> int:
    """Two bundles under one counter could not be told apart by it."""
    held = bundle.manifest.release_counter
    counter = held + 1 if asked is None else asked
    if counter <= held:
        raise BundleError(f"release counter: expected more than the bundle's {held}, got {counter}")
    return counter


def _calibration(bundle: Bundle, learned: LearnedState, options: CalibrateOptions) -> Calibration:
    rng = np.random.default_rng(options.seed)
    if options.recordings is not None:
        extractor = TfliteExtractor(bundle.extractor, thread_count=options.thread_count)
        if extractor.engine != bundle.manifest.engine:
            raise BundleError(f"made with {bundle.manifest.runtime}; this machine runs {extractor.runtime}")
        return _on_recordings(options.recordings, learned, extractor, options.budget_predictions, rng)
    return calibrate_judged(
        judge_stored(learned.knn),
        budget_predictions=options.budget_predictions,
        rng=rng,
        runtime=learned.runtime,
    )


def _on_recordings(
    path: Path,
    learned: LearnedState,
    extractor: TfliteExtractor,
    budget_predictions: int,
    rng: np.random.Generator,
) -> Calibration:
    """Every frame judged by the stored samples of other recordings; a file that tells none apart is one."""
    recording, labels = read_labelled(path, extractor.input_shape)
    if unknown := sorted(set(labels) - set(learned.class_names)):
        raise InputError(f"{path.name} has labels that are no class of the model: {', '.join(unknown)[:200]}")
    points = learned.projection.apply_many(embed(recording, extractor))
    recordings = recording.recordings() or (path.stem,) * len(labels)
    recording_of = find_recordings(learned.knn, points, recordings)
    return calibrate_judged(
        judge_recordings(learned.knn, points, labels, recordings, recording_of),
        budget_predictions=budget_predictions,
        recordings=recordings,
        rng=rng,
        runtime=extractor.runtime,
    )
