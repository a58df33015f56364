"""Keeps what devices tell of their adaptations."""

from collections.abc import Sequence

from tinysphere.domain.adaptations import Adaptation
from tinysphere.errors import ConflictError
from tinysphere.storage.ports.adaptations import AdaptationStore


class Lineage:
    """Reports may come twice, late and out of order: an adaptation only ever moves on."""

    def __init__(self, store: AdaptationStore) -> None:
        self._store = store

    def report(self, reports: Sequence[Adaptation]) -> int:
        """Adds new adaptations and moves known ones on; takes all or nothing.

        Returns:
            How many were new.

        Raises:
            ConflictError: ADAPTATION_CONFLICT, another device owns an id.
        """
        firsts = {report.adaptation_id: report for report in reversed(reports)}
        with self._store.transaction() as transaction:
            created = transaction.add(list(firsts.values()))
            before = transaction.lock(firsts)
            standing = dict(before)
            for report in reports:
                known = standing[report.adaptation_id]
                _refuse_foreign(report, known)
                standing[report.adaptation_id] = known.moved_on_by(report)
            transaction.move_on([now for key, now in standing.items() if now != before[key]])
        return len(created)


def _refuse_foreign(report: Adaptation, known: Adaptation) -> None:
    if report.device_id != known.device_id:
        raise ConflictError(
            "ADAPTATION_CONFLICT",
            f"adaptation {report.adaptation_id} belongs to another device; make a new id",
            metadata={"adaptation_id": report.adaptation_id},
        )
