"""What was done, by whom and to what, through real gRPC."""

from datetime import timedelta
from typing import Any

import pytest

from tests.tinysphere.drift.builders import (
    START,
    applied,
    event_message,
    sample_message,
    timestamp,
    uuid,
    verdict_message,
)
from tests.tinysphere.drift.conftest import Called
from tests.tinysphere.drift.refusals import invalid, refusal, refused
from tests.tinysphere.drift.test_labels import add, rename
from tests.tinysphere.drift.test_reports import report_events, report_samples
from tests.tinysphere.drift.test_review_settings import update_settings
from tests.tinysphere.drift.test_reviews import acknowledge, fetch, submit
from tests.tinysphere.drift.test_withdrawals import withdrawal
from tinymlops.v1 import review_pb2, review_service_pb2
from tinysphere.domain.audit import AuditRecord
from tinysphere.storage.sql.audit import SqlAuditLog
from tinysphere.storage.sql.database import Database

Told = tuple[str, str, str, str, str, str]


def page(called: Called, **options: Any) -> review_service_pb2.ListAuditRecordsResponse:
    return called.reviewing.ListAuditRecords(review_service_pb2.ListAuditRecordsRequest(**options))


def told(called: Called, **filters: Any) -> list[Told]:
    """Oldest first."""
    return [_told(record) for record in reversed(page(called, **filters).records)]


def _told(record: review_pb2.AuditRecord) -> Told:
    return (
        record.actor,
        record.action,
        record.subject,
        record.from_value,
        record.to_value,
        record.reason,
    )


@pytest.fixture
def reviewed(called: Called) -> Called:
    """An event with one sample, judged, answered, taken back, and a label that was renamed and merged."""
    report_events(called, event_message())
    report_samples(called, sample_message(1, neighbours=[]))
    submit(called, verdict_message(1, note="a handbag"))
    acknowledge(called, applied(fetch(called)[0].feedback_id))
    submit(called, withdrawal(1, note="it is not"))
    rename(called, "bag", "purse")
    add(called, "sack")
    rename(called, "purse", "sack")
    update_settings(called, blind=False)
    return called


def test_everything_that_was_done_is_told(reviewed: Called) -> None:
    event, sample = uuid(1), uuid(1001)
    open_again = "a judgement was taken back"
    assert told(reviewed)[:-1] == [
        ("camera-1", "label.add", "shirt", "", "shirt", ""),
        ("ann", "label.add", "bag", "", "bag", ""),
        ("ann", "verdict.submit", sample, "", "NEW_LABEL bag", "a handbag"),
        ("ann", "drift_event.state", event, "OPEN", "IN_REVIEW", "first verdict"),
        (
            "camera-1",
            "drift_event.state",
            event,
            "IN_REVIEW",
            "RESOLVED",
            "all samples judged (1) and all feedback acknowledged",
        ),
        ("ann", "verdict.withdraw", sample, "NEW_LABEL bag", "", "it is not"),
        ("ann", "drift_event.state", event, "RESOLVED", "IN_REVIEW", open_again),
        ("bob", "label.rename", "bag", "bag", "purse", ""),
        ("ann", "label.add", "sack", "", "sack", ""),
        ("bob", "label.merge", "purse", "purse", "sack", ""),
    ]
    assert told(reviewed)[-1][:3] == ("ann", "review_settings.update", "review_settings")


def test_records_are_asked_for_by_what_they_are_of(reviewed: Called) -> None:
    assert [entry[1] for entry in told(reviewed, subject=uuid(1001))] == [
        "verdict.submit",
        "verdict.withdraw",
    ]
    assert [entry[1] for entry in told(reviewed, subject="bag")] == ["label.add", "label.rename"]
    assert told(reviewed, subject="nobody") == []
    assert refused(lambda: page(reviewed, subject="x" * 129)) == invalid("subject")


def test_records_are_asked_for_by_time(reviewed: Called) -> None:
    records = list(page(reviewed).records)
    middle = records[4].audit_time
    later = [record.ordinal for record in page(reviewed, after_time=middle).records]
    before = [record.ordinal for record in page(reviewed, before_time=middle).records]
    assert later + before == [record.ordinal for record in records]
    assert records[4].ordinal in later
    assert records[4].ordinal not in before
    assert page(reviewed, after_time=timestamp(START + timedelta(days=1))).records == []
    assert refused(lambda: page(reviewed, before_time={"seconds": -5})) == invalid("before_time")


def test_records_come_in_pages_newest_first(reviewed: Called) -> None:
    found, token = [], ""
    while not found or token:
        part = page(reviewed, page_size=3, page_token=token)
        found += part.records
        token = part.next_page_token
    assert found == list(page(reviewed).records)
    ordinals = [record.ordinal for record in found]
    assert ordinals == sorted(ordinals, reverse=True)
    first = page(reviewed, page_size=3)
    other = {"page_size": 3, "page_token": first.next_page_token, "subject": uuid(1)}
    assert refused(lambda: page(reviewed, **other)) == refusal("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN")


def test_what_changed_nothing_leaves_no_record(reviewed: Called) -> None:
    before = told(reviewed)
    submit(reviewed, verdict_message(1, note="a handbag"))
    rename(reviewed, "bag", "sack")
    add(reviewed, "Purse")
    refused(submit, reviewed, withdrawal(1, verdict=77))
    refused(lambda: update_settings(reviewed, revision=0))
    assert told(reviewed) == before


def test_records_of_other_services_are_not_told(called: Called, database: Database) -> None:
    other = AuditRecord(audit_time=START, actor="ops", action="COLLECT_GARBAGE", subject="blobs")
    SqlAuditLog(database).add(other)
    assert SqlAuditLog(database).newest(9) == [other]
    assert told(called) == []


def test_a_request_that_is_refused_leaves_no_record(reviewed: Called) -> None:
    before = told(reviewed)
    unknown = verdict_message(9, sample_id=uuid(1009))
    refused(submit, reviewed, verdict_message(8, sample_id=uuid(1001), label="new"), unknown)
    assert told(reviewed) == before
