"""What people said of samples, which others took a label from them, and what was guessed without asking anybody."""

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from tinylcm.errors import StateError
from tinylcm.pipeline.packing import reading
from tinylcm.ports import Arrays, Json
from tinylcm.records import FloatVector


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JudgedSample:
    """A sample with a label from a person; ``embedding (d,) float32``."""

    sample_id: str
    drift_event_id: str
    label: str
    embedding: FloatVector


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """A group of samples that was taken for a known class: its members, and those of them that are stored."""

    label: str
    members: tuple[str, ...]
    stored: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judgements:
    """All judged samples that the classifier holds, the samples that each passed its label to, and all guesses."""

    judged: Mapping[str, JudgedSample] = field(default_factory=dict)
    children: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    guesses: tuple[Guess, ...] = ()

    def family(self, sample_id: str) -> tuple[str, ...]:
        """Returns a sample and those that took its label: what must be left out to judge it fairly."""
        return (sample_id, *self.children.get(sample_id, ()))

    def families(self, sample_ids: Iterable[str]) -> tuple[str, ...]:
        """Returns samples and all that took a label from one of them."""
        return tuple(relative for sample_id in sample_ids for relative in self.family(sample_id))

    def overruled(self, added: Sequence[JudgedSample], labels: Mapping[str, str]) -> tuple[str, ...]:
        """Returns the samples that ``added`` shows to be stored under a wrong label, by person, family or guess.

        Args:
            added: New judgements.
            labels: Label of every stored sample, by its id.
        """
        anew = [
            sample.sample_id
            for sample in added
            if any(labels.get(id_, sample.label) != sample.label for id_ in self.family(sample.sample_id))
        ]
        return (*anew, *(sample_id for guess in self.contradicted(added) for sample_id in guess.stored))

    def of_events(self, drift_event_ids: Collection[str]) -> list[JudgedSample]:
        """Returns the judged samples of the named events."""
        return [sample for sample in self.judged.values() if sample.drift_event_id in drift_event_ids]

    def contradicted(self, added: Sequence[JudgedSample]) -> tuple[Guess, ...]:
        """Returns the guesses of which a person gave a member another label."""
        labels = {sample.sample_id: sample.label for sample in added}
        return tuple(
            guess
            for guess in self.guesses
            if any(labels.get(member, guess.label) != guess.label for member in guess.members)
        )

    def updated(self, added: Sequence[JudgedSample], removed: Collection[str]) -> Self:
        """Returns judgements with ``added`` (a later one of a sample wins) and without ``removed``.

        What they passed on stays known, so that it can be taken out of a classifier with them. Guesses that
        ``added`` contradicts are forgotten.
        """
        judged = {**self.judged, **{sample.sample_id: sample for sample in added}}
        wrong = self.contradicted(added)
        return type(self)(
            judged={key: sample for key, sample in judged.items() if key not in removed},
            children=self.children,
            guesses=tuple(guess for guess in self.guesses if guess not in wrong),
        )

    def with_children(self, children: Mapping[str, tuple[str, ...]], kept: Container[str]) -> Self:
        """Returns judgements whose samples in ``children`` have these; without samples that are not ``kept``.

        What a sample passed on stays known when it had to make room itself: people may still take it back. A sample
        that people judged is nobody's child any more.
        """
        merged = {**self.children, **children}
        left = {
            key: tuple(child for child in ids if child in kept and child not in self.judged)
            for key, ids in merged.items()
        }
        return type(self)(
            judged={key: sample for key, sample in self.judged.items() if key in kept},
            children={key: ids for key, ids in left.items() if ids},
            guesses=self.guesses,
        )

    def parts(self) -> tuple[Json, Arrays]:
        """Returns JSON values and arrays."""
        samples = list(self.judged.values())
        meta = {
            "judged": [[sample.sample_id, sample.drift_event_id, sample.label] for sample in samples],
            "children": {key: list(ids) for key, ids in self.children.items() if ids},
            "guesses": [[guess.label, list(guess.members), list(guess.stored)] for guess in self.guesses],
        }
        vectors = [sample.embedding for sample in samples]
        return meta, {"embeddings": np.stack(vectors) if vectors else np.empty((0, 0), dtype=np.float32)}

    @classmethod
    def from_parts(cls, meta: Json, arrays: Arrays) -> Self:
        """Makes the judgements whose `parts` these are.

        Raises:
            StateError: They are damaged.
        """
        with reading("judgements"):
            embeddings = np.asarray(arrays["embeddings"], dtype=np.float32)
            rows = zip(meta["judged"], embeddings, strict=True)
            samples = [
                JudgedSample(sample_id=id_, drift_event_id=event, label=label, embedding=embedding)
                for (id_, event, label), embedding in rows
            ]
            children = {str(key): tuple(map(str, ids)) for key, ids in meta["children"].items()}
            guesses = tuple(
                Guess(label=str(label), members=tuple(map(str, members)), stored=tuple(map(str, stored)))
                for label, members, stored in meta["guesses"]
            )
        if not np.isfinite(embeddings).all():
            raise StateError("judgements: embeddings are not finite")
        return cls(
            judged={sample.sample_id: sample for sample in samples}, children=children, guesses=guesses
        )
