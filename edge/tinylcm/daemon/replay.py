"""`tinylcm replay`: a recorded stream through a bundle at full speed, as a page and a line of JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from tinylcm.adapters.bundle import Bundle
from tinylcm.adapters.recording import Recording, open_recording
from tinylcm.adapters.tflite import TfliteExtractor
from tinylcm.core.drift.calibration import build_monitor
from tinylcm.core.drift.monitor import Monitor
from tinylcm.daemon.progress import ProgressBar
from tinylcm.errors import InputError
from tinylcm.pipeline.inference import InferencePipeline
from tinylcm.pipeline.learned import LearnedState
from tinylcm.ports import Clock, Json
from tinylcm.records import Frame
from tinylcm.report.page import render
from tinylcm.report.summary import summarise
from tinylcm.report.track import Track

_LabelledContent = tuple[NDArray[np.generic], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What was seen, and how fast."""

    track: Track
    elapsed_s: float

    def summary(self) -> Json:
        """Returns the replay as one JSON object."""
        rate = len(self.track) / self.elapsed_s if self.elapsed_s > 0 else None
        return {
            **summarise(self.track),
            "elapsed_s": round(self.elapsed_s, 3),
            "frames_per_second": rate and round(rate, 1),
        }


def open_recordings(path: Path) -> list[Recording]:
    """Opens one recording, or all of a folder in the order of their names.

    Raises:
        InputError: There is none, or one cannot be read; a replay passes nothing over.
    """
    paths = sorted(path.glob("*.npz")) if path.is_dir() else [path]
    if not paths:
        raise InputError(f"{path} holds no recordings (.npz)")
    return [open_recording(each) for each in paths]


def replay(
    bundle: Bundle, recordings: Sequence[Recording], *, monitor_name: str, clock: Clock, progress_to: TextIO
) -> Replay:
    """Shows every frame to the bundle's model and monitors; nothing is learned.

    Raises:
        InputError: A recording is damaged, no frame suits the model, or there is no such monitor.
        BundleError: The engine refuses the model.
        StateError: The bundle's learned state is damaged.
    """
    learned = LearnedState.from_parts(bundle.meta, bundle.arrays)
    pipeline = InferencePipeline(TfliteExtractor(bundle.extractor), learned)
    monitor = build_monitor(learned.calibration, monitor_name)
    track = Track()
    total = sum(recording.frame_count for recording in recordings)
    with ProgressBar(total, "frames", stream=progress_to, clock=clock) as progress:
        for content, truth in _contents(recordings):
            frame = Frame(source_index=len(track), capture_time=clock.now(), content=content)
            _show(frame, truth, pipeline, monitor, track)
            progress.advance(f"drifts: {len(track.drifts)}")
    if len(track) and len(track.refusals) == len(track):
        raise InputError(f"the model takes none of the frames; the first: {track.refusals[0][1]}")
    return Replay(track=track, elapsed_s=progress.elapsed_s)


def _contents(recordings: Sequence[Recording]) -> Iterator[_LabelledContent]:
    for recording in recordings:
        yield from zip(recording.read(0), recording.labels() or repeat(None), strict=False)


def _show(
    frame: Frame, truth: str | None, pipeline: InferencePipeline, monitor: Monitor, track: Track
) -> None:
    try:
        observation = pipeline.observe(frame)
        report = monitor.update(observation)
    except InputError as error:
        track.refuse(str(error), truth=truth)
        return
    track.add(observation, monitor.readings, report, truth=truth)


def report_page(outcome: Replay, bundle: Bundle, *, title: str) -> str:
    """Returns the replay as an HTML page."""
    manifest = bundle.manifest
    facts = {
        "Model": f"{manifest.model_name}, release {manifest.release_counter}, bundle {bundle.bundle_sha256[:16]}",
        "Made with": manifest.runtime,
        "Replayed": f"{len(outcome.track):,} frames in {outcome.elapsed_s:.1f} s",
    }
    return render(outcome.track, title=title, facts=facts)
