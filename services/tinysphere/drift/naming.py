"""Labels of verdicts as the catalogue has them; what it lacks is added to it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from tinysphere.domain.audit import AuditRecord
from tinysphere.domain.drift import Verdict
from tinysphere.storage.ports.drift import DriftTransaction


def name_all(
    verdicts: Sequence[Verdict],
    others: Iterable[str],
    *,
    now: datetime,
    transaction: DriftTransaction,
) -> Mapping[str, str]:
    """Has every label of `verdicts` in the catalogue.

    Args:
        verdicts: New ones.
        others: More names, which are only looked up.
        now: The time of the addition.
        transaction: What it is part of; it holds the settings.

    Returns:
        The label that each name stands for; names of `others` that nothing is called by are left out.
    """
    creators: dict[str, str] = {}
    for verdict in verdicts:
        if verdict.decision.names_label:
            creators.setdefault(verdict.label, verdict.reviewer)
    names = dict(transaction.labels.find({*creators, *others}))
    missing = {name: creator for name, creator in creators.items() if name not in names}
    if missing:
        add_labels(missing, actors=missing, now=now, transaction=transaction)
        names.update(transaction.labels.find(missing.keys()))
    return names


def add_labels(
    creators: Mapping[str, str],
    *,
    actors: Mapping[str, str],
    now: datetime,
    transaction: DriftTransaction,
) -> None:
    """Adds labels that nothing stands for yet; creator and actor by name."""
    added = transaction.labels.add(creators, now=now)
    records = (
        AuditRecord(
            audit_time=now,
            actor=actors[name],
            action="label.add",
            subject=name,
            from_value="",
            to_value=name,
        )
        for name in added
    )
    transaction.audit.add(list(records))


def named(verdict: Verdict, names: Mapping[str, str]) -> Verdict:
    """A verdict whose label is the catalogue's."""
    return replace(verdict, label=names.get(verdict.label, verdict.label))
