"""Records of what somebody did, inside the transaction that did it."""

from collections.abc import Sequence
from typing import Protocol

from tinysphere.domain.audit import AuditRecord


class AuditSteps(Protocol):
    """Appends records; they are there exactly when the change is."""

    def add(self, records: Sequence[AuditRecord]) -> None:
        """Appends records, in their order."""
