"""What is written down of what somebody did."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """Who did what to what, when.

    Attributes:
        actor: Reviewer, operator, device id, or "server".
        action: What, in one word.
        subject: Id or name of what it was done to; a record outlives that.
        from_value: State before; empty when there is none. None, as ``to_value``, where no state changed.
        to_value: State after; empty when there is none.
        reason: Why; may be empty.
        detail: More facts, kept for people who look into the table.
    """

    audit_time: datetime
    actor: str
    action: str
    subject: str
    from_value: str | None = None
    to_value: str | None = None
    reason: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
