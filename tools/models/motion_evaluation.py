"""How good embeddings of motions are: a recording is judged by the stored windows of the other recordings only.

Windows overlap and a person moves alike for minutes, so that an error measured with windows of the same recording on
both sides would promise too much.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from demo.motions import Recording, unseen
from tools.models.evaluation import NEIGHBOUR_COUNT, PCA_DIMENSIONS, Floats, Projection, vote

REFERENCE_HOP_SAMPLES = 80
"""Thins the stored windows to what a device keeps: no two overlap, about a thousand in all."""

Embed = Callable[[Floats], Floats]


def evaluate_motions(embed: Embed, recordings: Sequence[Recording]) -> dict[str, object]:
    """Figures for a model card, over the recordings of persons the extractor never met."""
    judged = unseen(recordings)
    names = sorted({recording.label for recording in judged})
    labels = np.array([names.index(recording.label) for recording in judged], dtype=np.uint8)
    stored = [embed(recording.windows(REFERENCE_HOP_SAMPLES)) for recording in judged]
    asked = [embed(recording.windows()) for recording in judged]

    def accuracy_without(groups: Sequence[str]) -> float:
        return _leave_one_out(stored, asked, labels, groups)

    return {
        "recording_count": len(judged),
        "window_count": sum(map(len, asked)),
        "reference_count": sum(map(len, stored)),
        "neighbour_count": NEIGHBOUR_COUNT,
        "pca_dimensions": PCA_DIMENSIONS,
        "accuracy": {
            "leave_one_recording_out": accuracy_without([recording.recording_id for recording in judged]),
            "leave_one_session_out": accuracy_without([recording.session_id for recording in judged]),
            "leave_one_person_out": accuracy_without([str(recording.person) for recording in judged]),
        },
    }


def _leave_one_out(
    stored: Sequence[Floats], asked: Sequence[Floats], labels: NDArray[np.uint8], groups: Sequence[str]
) -> float:
    """Share of windows whose class is found by the windows of all other groups; one entry per recording."""
    correct = 0
    for left_out in sorted(set(groups)):
        others = [index for index, group in enumerate(groups) if group != left_out]
        own = [index for index, group in enumerate(groups) if group == left_out]
        reference = np.concatenate([stored[index] for index in others])
        projection = Projection.fit(reference)
        predicted, _ = vote(
            projection.apply(reference),
            _per_window(labels, stored, others),
            projection.apply(np.concatenate([asked[index] for index in own])),
        )
        correct += int((predicted == _per_window(labels, asked, own)).sum())
    return round(correct / sum(map(len, asked)), 4)


def _per_window(
    labels: NDArray[np.uint8], windows: Sequence[Floats], chosen: Sequence[int]
) -> NDArray[np.uint8]:
    return np.repeat(labels[list(chosen)], [len(windows[index]) for index in chosen])
