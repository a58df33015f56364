"""A fleet of devices with one model version, whose drifts differ: what each sends as evidence, and what it learns.

No image is shown to two devices. What is undrifted comes from train[40000:], what is drifted from the test file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.adaptation_device import Device
from benchmarks.adaptation_streams import CORRUPTED, NOVEL_SHARE, ROOM_COUNT, Part
from benchmarks.fashion_images import FashionImages, FashionSource, Rows, names_of
from benchmarks.fashion_streams import (
    COMPONENT_COUNT,
    FITTED_COUNT,
    NOVEL_PAIRS,
    STORED_COUNT,
    balanced_rows,
)
from tinylcm import records as edge
from tinylcm.core.classify.knn import LightweightKNN
from tinylcm.pipeline.learned import LearnedState, learn
from tinysphere.domain.devices import ModelReference
from tinysphere.domain.drift import Embedding, Neighbour, Sample
from tools.models.embedding import runtime_name

DEVICES_PER_DRIFT = 3
BEFORE_COUNT = 400
DRIFTED_COUNT = 400
HELD_COUNT = 500
"""Images that no device ever sees; every drift is judged on them, drifted."""
_SPACE = "cd" * 32
_MODEL = ModelReference(model_name="fashion", version=1, bundle_sha256="ab" * 32, feature_space=_SPACE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """What one device sees ``before`` and ``drifted``, and what it is judged on, ``held``."""

    before: Part
    drifted: Part
    held: Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that the devices of a fleet sent, in the order it arrived.

    Attributes:
        samples: As the server has them.
        sent: As the devices have them.
        device_rows: Device of each sample, ``(n,)``.
        truths: True class of each, ``(n,)``.
    """

    samples: Sequence[Sample]
    sent: Sequence[edge.Sample]
    device_rows: NDArray[np.intp]
    truths: NDArray[np.str_]


class FleetWorld:
    """One learned state and the stretches of its devices."""

    def __init__(self, images: FashionImages, extractor: str, group: str, seed: int) -> None:
        self._rng = np.random.default_rng((seed, 7, *NOVEL_PAIRS[group]))
        self._source = FashionSource(images, extractor, NOVEL_PAIRS[group])
        self._pool, self._test = images.pool.labels, images.test.labels
        fitted = balanced_rows(self._source, FITTED_COUNT, self._rng)
        learned = learn(
            self._source.pool(fitted),
            names_of(self._pool[fitted]).tolist(),
            component_count=COMPONENT_COUNT,
            capacity=STORED_COUNT,
            rng=self._rng,
            runtime=runtime_name(),
        )
        meta, arrays = learned.knn.state()
        knn = LightweightKNN.from_state(meta | {"capacity": STORED_COUNT + ROOM_COUNT}, arrays)
        self.learned: LearnedState = replace(learned, knn=knn)
        self._undrifted = self._shuffled(np.setdiff1d(self._source.known(self._pool), fitted))
        self._held, self._known = np.split(self._shuffled(self._source.known(self._test)), [HELD_COUNT])
        self._novel = {
            novel: self._shuffled(np.flatnonzero(self._test == novel)) for novel in self._source.novel_pair
        }
        self.stretches = [
            stretch
            for drift, novel in (*((name, None) for name in CORRUPTED), *(("", one) for one in self._novel))
            for stretch in self._stretches(drift, novel)
        ]

    def devices(self) -> list[Device]:
        """Fresh devices that saw what they see, and gathered evidence."""
        return [self._device(stretch) for stretch in self.stretches]

    def measured(self) -> dict[int, Device]:
        """The first device of every drift, fresh, by its place among all."""
        return {
            row: self._device(self.stretches[row]) for row in range(0, len(self.stretches), DEVICES_PER_DRIFT)
        }

    def evidence(self, devices: Sequence[Device], seed: int) -> Evidence:
        """What they sent; devices are heard in random order."""
        sent = [(row, one) for row, device in enumerate(devices) for one in (*device.evidence, *device.asked)]
        order = [sent[place] for place in np.random.default_rng(seed).permutation(len(sent))]
        return Evidence(
            samples=[_received(place, row, one) for place, (row, one) in enumerate(order)],
            sent=[one for _, one in order],
            device_rows=np.array([row for row, _ in order], dtype=np.intp),
            truths=np.array([devices[row].truth_of(one) for row, one in order]),
        )

    def _device(self, stretch: Stretch) -> Device:
        device = Device(self.learned, edge.Mode.VALIDATED_LEARNING)
        device.see(stretch.before)
        device.see(stretch.drifted)
        return device

    def _stretches(self, drift: str, novel: int | None) -> Iterator[Stretch]:
        held = self._part(drift, self._with_novel(self._held.copy(), novel))
        for _ in range(DEVICES_PER_DRIFT):
            before, self._undrifted = np.split(self._undrifted, [BEFORE_COUNT])
            yield Stretch(
                before=Part(embeddings=self._source.pool(before), truths=names_of(self._pool[before])),
                drifted=self._part(drift, self._taken(novel)),
                held=held,
            )

    def _taken(self, novel: int | None) -> Rows:
        """Test images that nobody saw yet."""
        rows, self._known = np.split(self._known, [DRIFTED_COUNT])
        return self._with_novel(rows, novel)

    def _with_novel(self, rows: Rows, novel: int | None) -> Rows:
        """Replaces `NOVEL_SHARE` of the rows by some of the novel class that nobody saw yet."""
        if novel is not None:
            places = np.flatnonzero(self._rng.random(len(rows)) < NOVEL_SHARE)[: len(self._novel[novel])]
            rows[places], self._novel[novel] = np.split(self._novel[novel], [len(places)])
        return rows

    def _part(self, drift: str, rows: Rows) -> Part:
        return Part(embeddings=self._source.test(rows, drift), truths=names_of(self._test[rows]))

    def _shuffled(self, rows: Rows) -> Rows:
        return self._rng.permutation(rows)


def _received(place: int, device_row: int, sent: edge.Sample) -> Sample:
    """A sample as the server reads it; ids sort as the samples arrived."""
    observation = sent.observation
    vector = np.asarray(observation.embedding, dtype="<f4")
    return Sample(
        sample_id=f"01930000-0000-7000-8000-{place:012d}",
        device_id=f"camera-{device_row}",
        drift_event_id="",
        model=_MODEL,
        source_index=observation.source_index,
        capture_time=observation.capture_time,
        predicted_label=observation.prediction.label,
        confidence=observation.prediction.confidence,
        distance_score=sent.distance_score,
        embedding=Embedding(values=vector.tobytes(), dimension_count=len(vector), feature_space=_SPACE),
        neighbours=tuple(
            Neighbour(sample_id=near.sample_id, label=near.label, distance=near.distance)
            for near in observation.prediction.neighbours
        ),
        image=None,
    )
