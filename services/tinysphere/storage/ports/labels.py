"""What the catalogue of labels needs of its store, inside transactions that hold the settings of reviewing.

Names are one when their keys are (see `tinysphere.domain.labels`).
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from tinysphere.domain.drift import JudgementChange
from tinysphere.domain.review import Label
from tinysphere.errors import NotFoundError


class LabelSteps(Protocol):
    """Steps that become visible together with those of the transaction they are part of."""

    def find(self, names: Collection[str]) -> Mapping[str, str]:
        """Returns the label that each name stands for; names of no label are left out."""

    def add(self, creators: Mapping[str, str], *, now: datetime) -> Sequence[str]:
        """Adds labels, unless there are some of these names; returns the names added.

        Args:
            creators: Who adds it, by name.
            now: When.
        """

    def count(self, changes: Sequence[JudgementChange]) -> None:
        """Keeps the counts of labels in step with judgements."""

    def get(self, name: str) -> Label | None:
        """Returns the label that a name stands for."""

    def lock_judged(self, name: str, *, limit: int) -> Sequence[JudgementChange]:
        """Locks at most `limit` samples that were judged to have a label; returns them, unchanged as yet."""

    def respell(self, label: Label, name: str) -> None:
        """Gives a label a name that has the same key."""

    def replace(self, label: Label, name: str) -> None:
        """Makes a label and its aliases aliases of another one, which is there and has been given its samples."""

    def total(self) -> int:
        """Returns how many labels there are."""


def label_not_found(name: str) -> NotFoundError:
    return NotFoundError("LABEL_NOT_FOUND", f"no label is called {name!r}", metadata={"name": name})
