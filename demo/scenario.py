"""What the three devices of the demonstration see, and what is true of it.

Two devices meet a class their model has never seen (bag), the third gets a camera whose brightness is off. Every
device sees a phase *before* the drift, a phase *during* it, and, once feedback has been applied, a phase *after* of
images that no phase before it held, under the same drift. Devices never see a label.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from demo.corruptions import CORRUPTIONS
from demo.dataset import Subset

NOVEL_CLASS = "bag"
UNUSED_CLASSES = ("trouser",)  # novel too, but its features collapse onto known classes: a later story
NOVEL_SHARE = 0.3
BEFORE_COUNT, DURING_COUNT, AFTER_COUNT = 400, 700, 400


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Phase:
    """A stretch of a stream: ``images (n, 28, 28, 1) uint8`` and their true class names."""

    name: str
    images: NDArray[np.uint8]
    truth: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DeviceStory:
    """One device's stream. ``drift`` names what happens to it; ``novel`` whether that is a new class."""

    device_id: str
    display_name: str
    location: tuple[float, float]
    drift: str
    novel: bool
    phases: tuple[Phase, ...]

    def truth(self) -> tuple[str, ...]:
        """True class names of the whole stream, by source index."""
        return tuple(label for phase in self.phases for label in phase.truth)

    def phase_range(self, name: str) -> range:
        """Source indices of one phase."""
        start = 0
        for phase in self.phases:
            if phase.name == name:
                return range(start, start + len(phase.truth))
            start += len(phase.truth)
        raise KeyError(f"no phase {name!r}")


def tell(subset: Subset, *, seed: int, corruption: str = "bright1") -> tuple[DeviceStory, ...]:
    """Deals the subset's images into the three stories; the same seed deals the same."""
    rng = np.random.default_rng(seed)
    places = (
        ("Berlin, gate 1", (52.52, 13.40)),
        ("Hamburg, gate 2", (53.55, 9.99)),
        ("Dresden", (51.05, 13.74)),
    )
    drifts = (NOVEL_CLASS, NOVEL_CLASS, corruption)
    stream, holdout = _Deck(subset, "stream", rng), _Deck(subset, "holdout", rng)
    stories = []
    for number, ((display_name, location), drift) in enumerate(zip(places, drifts, strict=True), start=1):
        share = NOVEL_SHARE if drift == NOVEL_CLASS else 0.0
        before = stream.deal("before", BEFORE_COUNT, 0.0)
        during = stream.deal("during", DURING_COUNT, share)
        after = holdout.deal("after", AFTER_COUNT, share)
        for deck in (stream, holdout):
            deck.shuffle_back()  # no image twice in one stream, but two devices may see the same one
        if drift in CORRUPTIONS:
            during, after = (_corrupted(phase, drift, rng) for phase in (during, after))
        stories.append(
            DeviceStory(
                device_id=f"camera-{number}",
                display_name=display_name,
                location=location,
                drift=drift,
                novel=drift == NOVEL_CLASS,
                phases=(before, during, after),
            )
        )
    return tuple(stories)


class _Deck:
    """Images of one split, dealt without repetition."""

    def __init__(self, subset: Subset, split: str, rng: np.random.Generator) -> None:
        self._images, labels = subset.split(split)
        self._names = np.array([subset.class_names[label] for label in labels])
        self._rng = rng
        self.shuffle_back()

    def shuffle_back(self) -> None:
        novel = self._names == NOVEL_CLASS
        known = ~novel & ~np.isin(self._names, UNUSED_CLASSES)
        self._novel = iter(self._rng.permutation(np.flatnonzero(novel)))
        self._known = iter(self._rng.permutation(np.flatnonzero(known)))

    def deal(self, name: str, count: int, novel_share: float) -> Phase:
        novel_count = round(count * novel_share)
        chosen = [*_take(self._novel, novel_count), *_take(self._known, count - novel_count)]
        order = self._rng.permutation(chosen)
        return Phase(
            name=name, images=self._images[order][..., None], truth=tuple(map(str, self._names[order]))
        )


def _take(deck: Iterator[np.intp], count: int) -> list[np.intp]:
    taken = list(islice(deck, count))
    if len(taken) < count:
        raise ValueError(f"the subset holds {len(taken)} of {count} images wanted")
    return taken


def _corrupted(phase: Phase, corruption: str, rng: np.random.Generator) -> Phase:
    images = CORRUPTIONS[corruption](phase.images[..., 0], rng)
    return Phase(name=phase.name, images=images[..., None], truth=phase.truth)


def write_recording(phase: Phase, folder: Path, number: int) -> Path:
    """Drops a phase into a device's inbox: written aside first, so that the device never sees half of it."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{number}-{phase.name}.npz"
    aside = folder / f".{target.name}.part"
    with aside.open("wb") as file:
        np.savez(file, frames=phase.images)
    aside.replace(target)
    return target


def write_labelled(subset: Subset, split: str, path: Path) -> Path:
    """Writes a split with its class names: what `tinylcm fit` learns from."""
    images, labels = subset.split(split)
    names = np.array([subset.class_names[label] for label in labels])
    np.savez(path, images=images[..., None], labels=names)
    return path


def truth_by_device(stories: tuple[DeviceStory, ...]) -> Mapping[str, tuple[str, ...]]:
    """True class names by device id and source index: what the scripted reviewer knows."""
    return {story.device_id: story.truth() for story in stories}
