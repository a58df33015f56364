"""The audit trail as rows, and as files to keep."""

import csv
import json
from collections.abc import Sequence
from io import StringIO

from tinyboard.views.reviewing_records import AuditView

COLUMNS = ("ordinal", "audit_time", "actor", "action", "subject", "from_value", "to_value", "reason")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def rows(records: Sequence[AuditView]) -> list[dict[str, object]]:
    """One row a record, as the page shows it."""
    return [
        {
            "Time": record.audit_time,
            "Who": record.actor,
            "What": record.action,
            "Of": record.subject,
            "From": record.from_value,
            "To": record.to_value,
            "Why": record.reason,
        }
        for record in records
    ]


def as_csv(records: Sequence[AuditView]) -> str:
    """Comma-separated values with a header; texts that a spreadsheet would calculate are quoted by an apostrophe."""
    target = StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_harmless(value) for value in _values(record)] for record in records)
    return target.getvalue()


def as_json(records: Sequence[AuditView]) -> str:
    """A JSON array of objects, newest first."""
    found = [dict(zip(COLUMNS, _values(record), strict=True)) for record in records]
    return json.dumps(found, ensure_ascii=False, indent=1)


def _values(record: AuditView) -> list[object]:
    moment = record.audit_time.isoformat() if record.audit_time else ""
    texts = (record.actor, record.action, record.subject, record.from_value, record.to_value, record.reason)
    return [record.ordinal, moment, *texts]


def _harmless(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value
