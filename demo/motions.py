"""Motions of the arm for the demonstration, the tests and the benchmarks: a sensor beside the camera.

Ten persons, both arms, seven shoulder exercises; an acceleration sensor and a gyroscope on the wrist. Source: Burns et
al. (2018), "Shoulder Physiotherapy Exercise Recognition: Machine Learning the Inertial Signals from a Smartwatch",
arXiv:1802.01489. BSD 3-clause licence, see ``data/motions/LICENSE``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RECORDINGS_PATH = Path(__file__).resolve().parents[1] / "data" / "motions" / "recordings.npz"
TRAINING_PERSONS = (1, 2, 3, 4)
"""Whose motions trained the extractor; nothing of the others was seen while training it."""

CHANNELS = ("ax", "ay", "az", "wx", "wy", "wz")
FULL_SCALE = (4.0, 4.0, 4.0, 8.0, 8.0, 8.0)
"""What 1.0 stands for: gravities for the accelerations, radians per second for the turns."""
SAMPLES_PER_SECOND = 25
WINDOW_SAMPLES = 50
HOP_SAMPLES = 12

Samples = NDArray[np.float32]
_COUNTS_OF_FULL_SCALE = 127


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recording:
    """One exercise, about twenty times over: ``samples (t, 6) float32`` as shares of `FULL_SCALE`, 25 a second."""

    recording_id: str
    person: int
    side: str
    label: str
    samples: Samples

    @property
    def session_id(self) -> str:
        """One arm of one person, with all its exercises."""
        return f"{self.person:02d}-{self.side}"

    def windows(self, hop_samples: int = HOP_SAMPLES) -> Samples:
        """Overlapping windows in recording order, ``(n, 50, 6) float32``."""
        return cut_windows(self.samples, hop_samples)


def cut_windows(samples: Samples, hop_samples: int = HOP_SAMPLES) -> Samples:
    """Windows of two seconds, each begun ``hop_samples`` after the one before, ``(n, 50, channels)``."""
    views = np.lib.stride_tricks.sliding_window_view(samples, WINDOW_SAMPLES, axis=0)[::hop_samples]
    return np.ascontiguousarray(views.transpose(0, 2, 1), dtype=np.float32)


def load_motions(path: Path | None = None) -> tuple[Recording, ...]:
    """Read the committed recordings, ordered by person, side and exercise.

    Raises:
        FileNotFoundError: the file is missing; ``python -m tools.models.motions`` writes it.
    """
    with np.load(path or RECORDINGS_PATH, allow_pickle=False) as stored:
        samples = stored["counts"].astype(np.float32) / np.float32(_COUNTS_OF_FULL_SCALE)
        parts = np.split(samples, np.cumsum(stored["lengths"])[:-1])
        facts = zip(stored["persons"], stored["sides"], stored["labels"], parts, strict=True)
        return tuple(
            Recording(
                recording_id=f"{person:02d}-{side}-{label}",
                person=int(person),
                side=str(side),
                label=str(label),
                samples=part,
            )
            for person, side, label, part in facts
        )


def unseen(recordings: Sequence[Recording]) -> tuple[Recording, ...]:
    """The recordings of persons the extractor never met."""
    return tuple(recording for recording in recordings if recording.person not in TRAINING_PERSONS)


def write_stream(path: Path, recordings: Sequence[Recording]) -> Path:
    """Write windows in recording order: what `tinylcm fit` learns from and `tinylcm replay` shows.

    Each window has its label; the sessions are the recordings that a device is calibrated on.
    """
    windows = [recording.windows() for recording in recordings]
    counts = [len(part) for part in windows]
    np.savez(
        path,
        frames=np.concatenate(windows),
        labels=np.repeat([recording.label for recording in recordings], counts),
        recordings=np.repeat([recording.session_id for recording in recordings], counts),
        frames_per_second=np.float64(SAMPLES_PER_SECOND / HOP_SAMPLES),
    )
    return path


def to_counts(shares: NDArray[np.floating]) -> NDArray[np.int8]:
    """What is stored for shares of full scale: 127 counts are 1.0; what lies beyond is clipped, as a sensor does."""
    counts = np.rint(np.asarray(shares) * _COUNTS_OF_FULL_SCALE)
    return np.asarray(np.clip(counts, -_COUNTS_OF_FULL_SCALE, _COUNTS_OF_FULL_SCALE), dtype=np.int8)
