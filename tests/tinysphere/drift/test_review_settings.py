"""What reviewing follows, through real gRPC."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from tests.tinysphere.drift.conftest import Called
from tests.tinysphere.drift.refusals import invalid, refusal, refused
from tinymlops.v1 import review_pb2, review_service_pb2
from tinysphere.domain.audit import AuditRecord
from tinysphere.storage.sql.audit import SqlAuditLog
from tinysphere.storage.sql.database import Database


def get_settings(called: Called) -> review_pb2.ReviewSettings:
    return called.reviewing.GetReviewSettings(review_service_pb2.GetReviewSettingsRequest()).settings


def update_settings(called: Called, **changes: Any) -> review_pb2.ReviewSettings:
    """Changes the settings as they stand, by name; a lease is given in seconds."""
    wanted = get_settings(called)
    facts = {"reviewer": "ann", **changes}
    if (lease_s := facts.pop("lease_s", None)) is not None:
        wanted.lease_duration.FromNanoseconds(int(lease_s * 1_000_000_000))
    if (adjudicators := facts.pop("adjudicators", None)) is not None:
        wanted.adjudicators[:] = adjudicators
    for name, value in facts.items():
        setattr(wanted, name, value)
    request = review_service_pb2.UpdateReviewSettingsRequest(settings=wanted)
    return called.reviewing.UpdateReviewSettings(request).settings


def agreement(called: Called, required_count: int, reviewer_count: int, **changes: Any) -> None:
    """Asks for `required_count` equal verdicts of at most `reviewer_count` reviewers."""
    facts = {"policy": review_pb2.VERDICT_POLICY_AGREEMENT, **changes}
    update_settings(called, required_count=required_count, reviewer_count=reviewer_count, **facts)


def test_a_server_starts_with_one_reviewer(called: Called) -> None:
    settings = get_settings(called)
    assert (settings.revision, settings.policy) == (0, review_pb2.VERDICT_POLICY_ONE)
    assert (settings.required_count, settings.reviewer_count) == (1, 1)
    assert (settings.order, settings.lease_duration.seconds) == (review_pb2.QUEUE_ORDER_VALUE, 300)
    assert not settings.HasField("update_time")


def test_settings_stay_as_they_were_put(called: Called, database: Database) -> None:
    stored = update_settings(
        called,
        policy=review_pb2.VERDICT_POLICY_ADJUDICATOR,
        required_count=2,
        reviewer_count=3,
        adjudicators=["eve", "dan", "eve"],
        blind=False,
        lease_s=90.5,
        order=review_pb2.QUEUE_ORDER_DISTANCE,
    )
    assert (stored.revision, list(stored.adjudicators)) == (1, ["eve", "dan"])
    assert stored.HasField("update_time")
    assert get_settings(called) == stored
    (record,) = SqlAuditLog(database).newest(9)
    assert isinstance(record, AuditRecord)
    assert (record.actor, record.action) == ("ann", "review_settings.update")
    assert record.from_value == "ONE 1 of 1, adjudicators: none, blind: yes, lease: 300 s, order: VALUE"
    assert record.to_value is not None
    assert record.to_value.startswith("ADJUDICATOR 2 of 3, adjudicators: eve, dan, blind: no, lease: 90.5 s")


def test_a_change_needs_the_newest_revision(called: Called) -> None:
    update_settings(called, blind=False)
    stale = refusal("ABORTED", "REVIEW_SETTINGS_CHANGED")
    assert refused(lambda: update_settings(called, revision=0)) == stale
    assert refused(lambda: update_settings(called, revision=7)) == stale
    assert update_settings(called).revision == 2


def test_one_of_many_changes_at_once_wins(called: Called) -> None:
    settings = get_settings(called)
    settings.reviewer = "ann"
    request = review_service_pb2.UpdateReviewSettingsRequest(settings=settings)

    def update(_: int) -> str:
        try:
            called.reviewing.UpdateReviewSettings(request, timeout=60)
        except grpc.RpcError as error:
            return str(error.code().name)
        return "taken"

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(update, range(6))) == ["ABORTED"] * 5 + ["taken"]
    assert get_settings(called).revision == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"policy": 0}, "policy"),
        ({"required_count": 2}, "required_count"),  # of ONE
        ({"reviewer_count": 2}, "reviewer_count"),
        ({"policy": review_pb2.VERDICT_POLICY_AGREEMENT, "required_count": 0}, "required_count"),
        ({"policy": review_pb2.VERDICT_POLICY_AGREEMENT, "required_count": 10}, "required_count"),
        ({"policy": review_pb2.VERDICT_POLICY_AGREEMENT, "required_count": 2}, "reviewer_count"),
        ({"policy": review_pb2.VERDICT_POLICY_AGREEMENT, "reviewer_count": 16}, "reviewer_count"),
        ({"policy": review_pb2.VERDICT_POLICY_ADJUDICATOR}, "adjudicators"),
        ({"adjudicators": ["x"] * 33}, "adjudicators"),
        ({"adjudicators": ["eve", ""]}, "adjudicators[1]"),
        ({"lease_s": 29.999}, "lease_duration"),
        ({"lease_s": 3600.001}, "lease_duration"),
        ({"order": 0}, "order"),
        ({"reviewer": ""}, "reviewer"),
        ({"revision": -1}, "revision"),
    ],
)
def test_settings_keep_their_limits(called: Called, changes: dict[str, Any], field: str) -> None:
    assert refused(lambda: update_settings(called, **changes)) == invalid(f"settings.{field}")
    assert get_settings(called).revision == 0
