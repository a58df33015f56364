"""Keeps the catalogue of labels: adding, and renaming with all that it changes."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from tinysphere.domain.audit import AuditRecord
from tinysphere.domain.clock import Clock
from tinysphere.domain.drift import Judgement, JudgementChange
from tinysphere.domain.labels import label_key
from tinysphere.domain.review import Label
from tinysphere.drift.judging import Step, carry_out
from tinysphere.drift.naming import add_labels
from tinysphere.errors import ExhaustedError, InvalidFieldError
from tinysphere.storage.ports.drift import DriftStore, DriftTransaction
from tinysphere.storage.ports.labels import label_not_found

MAX_RENAMED_SAMPLES = 10_000
MAX_ALIASES = 64


class Catalogue:
    """Each method is one transaction and may be repeated.

    Args:
        store: Where everything is kept.
        clock: Tells the time.
        new_id: Makes the ids of feedback items.
        feedback_made: Called after a commit that made feedback, to have it announced soon.
        sample_limit: Samples of one label, above which it is not renamed: one transaction changes them all.
    """

    def __init__(
        self,
        store: DriftStore,
        clock: Clock,
        new_id: Callable[[], str],
        feedback_made: Callable[[], None],
        sample_limit: int = MAX_RENAMED_SAMPLES,
    ) -> None:
        self._store = store
        self._clock = clock
        self._new_id = new_id
        self._feedback_made = feedback_made
        self._sample_limit = sample_limit

    def add(self, name: str, *, reviewer: str) -> Label:
        """Adds a label, unless one is called so; returns the label that the name stands for."""
        with self._store.transaction() as transaction:
            transaction.settings.lock()
            if transaction.labels.get(name) is None:
                creators = {name: reviewer}
                add_labels(creators, actors=creators, now=self._clock.now(), transaction=transaction)
            return _get(name, transaction)

    def rename(self, name: str, new_name: str, *, reviewer: str) -> tuple[Label, int]:
        """Gives a label another name, or makes it part of the label that is called so.

        Returns:
            The label that holds now, and how many samples are judged to have it since.

        Raises:
            NotFoundError: LABEL_NOT_FOUND.
            InvalidFieldError: The label would stand for too many names.
            ExhaustedError: LABEL_TOO_LARGE, too many samples have it.
        """
        now = self._clock.now()
        with self._store.transaction() as transaction:
            transaction.settings.lock()
            label = _get(name, transaction)
            other = transaction.labels.get(new_name)
            if other == label:  # one of its other names, or a better spelling, becomes its first name
                other = None
            becomes = new_name if other is None else other.name
            if becomes == label.name:
                return label, 0
            # It has to be there before samples are counted to it.
            transaction.labels.add({becomes: label.creator}, now=label.create_time)
            changes = self._rejudge(label, becomes, reviewer, now, transaction)
            _replace(label, becomes, other, transaction)
            transaction.audit.add([_audited(label, becomes, other is not None, reviewer, now)])
            renamed = _get(becomes, transaction)
        self._feedback_made()
        return renamed, len(changes)

    def _rejudge(
        self, label: Label, becomes: str, reviewer: str, now: datetime, transaction: DriftTransaction
    ) -> Sequence[JudgementChange]:
        """Has every sample of a label judged to have another one, and its device hear of it."""
        found = transaction.labels.lock_judged(label.name, limit=self._sample_limit + 1)
        if len(found) > self._sample_limit:
            raise ExhaustedError(
                "LABEL_TOO_LARGE",
                f"more than {self._sample_limit} samples have the label {label.name!r}",
                metadata={"name": label.name},
            )
        changes = [replace(change, after=_renamed(change.after, becomes)) for change in found]
        event_ids = {change.drift_event_id for change in changes}
        transaction.lock_events(event_ids)
        step = Step(changes=changes, actors=dict.fromkeys(event_ids, reviewer))
        carry_out(step, new_id=self._new_id, now=now, transaction=transaction)
        return changes


def _replace(label: Label, becomes: str, other: Label | None, transaction: DriftTransaction) -> None:
    if label_key(becomes) == label_key(label.name):
        transaction.labels.respell(label, becomes)
    else:
        _refuse_too_many_names(label, other)
        transaction.labels.replace(label, becomes)


def _audited(label: Label, becomes: str, merged: bool, reviewer: str, now: datetime) -> AuditRecord:
    return AuditRecord(
        audit_time=now,
        actor=reviewer,
        action="label.merge" if merged else "label.rename",
        subject=label.name,
        from_value=label.name,
        to_value=becomes,
    )


def _get(name: str, transaction: DriftTransaction) -> Label:
    label = transaction.labels.get(name)
    if label is None:
        raise label_not_found(name)
    return label


def _renamed(judgement: Judgement | None, label: str) -> Judgement | None:
    return None if judgement is None else replace(judgement, label=label)


def _refuse_too_many_names(label: Label, other: Label | None) -> None:
    names = len(label.aliases) + 1 + (len(other.aliases) if other else 0)
    if names > MAX_ALIASES:
        raise InvalidFieldError("new_name", f"a label with at most {MAX_ALIASES} other names", str(names))
