"""The audit trail as files."""

import csv
import json
from io import StringIO

from tests.tinyboard.builders import NOW, audit
from tinyboard.views.audit import as_csv, as_json

RECORDS = (audit(2, reason='said "no",\nthen left'), audit(1, actor="=1+1", to_value="-bag"))


def test_csv_is_read_back_as_it_was() -> None:
    first, second = csv.DictReader(StringIO(as_csv(RECORDS)))
    assert first["reason"] == 'said "no",\nthen left'
    assert first["audit_time"] == NOW.isoformat()
    assert (second["ordinal"], second["action"]) == ("1", "verdict.submit")


def test_no_spreadsheet_calculates_what_people_typed() -> None:
    _, second = csv.DictReader(StringIO(as_csv(RECORDS)))
    assert (second["actor"], second["to_value"]) == ("'=1+1", "'-bag")


def test_json_keeps_every_value() -> None:
    first, second = json.loads(as_json(RECORDS))
    assert first["ordinal"] == 2
    assert second["actor"] == "=1+1"
    assert json.loads(as_json(())) == []
