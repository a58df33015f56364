"""RolloutService through real gRPC, beside the real DeviceService: what its comments promise."""

import hashlib
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pool

from tests.support.refusals import refused
from tests.support.waiting import eventually
from tests.tinysphere.distribution.builders import device_bundle, digest, uuid
from tests.tinysphere.distribution.called import Called, publish_messages, unknown_model
from tinymlops.v1 import device_pb2, rollout_pb2
from tinymlops.v1 import rollout_service_pb2 as wire
from tinymlops.v1.rollout_pb2 import (
    DEPLOYMENT_STATE_CANCELLED,
    DEPLOYMENT_STATE_COMMITTED,
    DEPLOYMENT_STATE_DOWNLOADING,
    DEPLOYMENT_STATE_OFFERED,
    DEPLOYMENT_STATE_TRIAL,
    ROLLOUT_STATE_ABORTED,
    ROLLOUT_STATE_DRAFT,
    ROLLOUT_STATE_PAUSED,
    ROLLOUT_STATE_RUNNING,
    ROLLOUT_STATE_SUCCEEDED,
)

INVALID_FIELD = ("INVALID_ARGUMENT", "INVALID_FIELD")
VERBS = {
    "StartRollout": wire.StartRolloutRequest,
    "PauseRollout": wire.PauseRolloutRequest,
    "ResumeRollout": wire.ResumeRolloutRequest,
    "AbortRollout": wire.AbortRolloutRequest,
    "GetRollout": wire.GetRolloutRequest,
}


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    return device_bundle(tmp_path)


@pytest.fixture
def model(called: Called, content: bytes) -> device_pb2.ModelReference:
    return called.publish(content).model


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def list_deployments(
    called: Called, number: int, size: int = 0, token: str = ""
) -> wire.ListDeploymentsResponse:
    request = wire.ListDeploymentsRequest(rollout_id=uuid(number), page_size=size, page_token=token)
    return called.rollouts.ListDeployments(request)


def list_rollouts(called: Called, size: int, token: str = "") -> wire.ListRolloutsResponse:
    return called.rollouts.ListRollouts(wire.ListRolloutsRequest(page_size=size, page_token=token))


# ---------------------------------------------------------------- the whole way


def test_a_bundle_reaches_its_devices_and_becomes_the_champion(
    called: Called, content: bytes, model: device_pb2.ModelReference
) -> None:
    called.register("camera-1", "camera-2", site="north")
    called.register("camera-3", site="south")
    started = called.begin(1, model, site="north")
    assert started.state == ROLLOUT_STATE_RUNNING

    eventually(lambda: called.update_mark("camera-1") == started.revision)
    eventually(lambda: called.update_mark("camera-2") == started.revision)
    assert called.update_mark("camera-3") == 0
    assert not called.check("camera-3").HasField("offer")

    for device_id in ("camera-1", "camera-2"):
        answer = called.check(device_id)
        assert answer.update_mark == started.revision
        assert answer.offer.model == model
        header, *pieces = called.download(answer.offer.model.bundle_sha256)
        assert (header.header.sha256, header.header.size_bytes) == (sha256_of(content), len(content))
        assert answer.offer.size_bytes == len(content)
        assert b"".join(piece.data for piece in pieces) == content
        assert max(len(piece.data) for piece in pieces) <= 256 * 1024
        called.report(device_id, 1, DEPLOYMENT_STATE_TRIAL)
        stored = called.report(device_id, 1, DEPLOYMENT_STATE_COMMITTED, running=model.bundle_sha256)
        assert stored.HasField("report_time")

    eventually(lambda: called.rollout(1).state == ROLLOUT_STATE_SUCCEEDED)
    done = called.rollout(1)
    assert [(count.state, count.device_count) for count in done.deployment_counts] == [
        (DEPLOYMENT_STATE_COMMITTED, 2)
    ]
    eventually(partial(called.is_champion, 1))


def test_champion_and_previous_follow_the_rollouts(called: Called, tmp_path: Path) -> None:
    called.register("camera-1")
    for number in (1, 2):
        model = called.publish(device_bundle(tmp_path, release_counter=number)).model
        called.begin(number, model)
        called.check("camera-1")
        called.report("camera-1", number, DEPLOYMENT_STATE_COMMITTED, running=model.bundle_sha256)
        eventually(partial(called.is_champion, number))
    assert called.aliases(1) == ["previous"]
    assert called.aliases(2) == ["candidate", "champion"]


def test_marks_arrive_although_ingestion_was_away(called: Called, model: device_pb2.ModelReference) -> None:
    called.register("camera-1")
    called.stop("ingestion")
    started = called.begin(1, model)
    called.start("ingestion")
    called.register("camera-1")
    eventually(lambda: called.update_mark("camera-1") == started.revision)


def standing(called: Called) -> rollout_pb2.Rollout:
    """The rollout without what the newest survey counted: another one may have come meanwhile."""
    rollout = called.rollout(1)
    for field in ("wave_progress", "status"):
        rollout.ClearField(field)
    return rollout


def test_a_restart_of_the_service_changes_nothing(
    called: Called, content: bytes, model: device_pb2.ModelReference
) -> None:
    called.register("camera-1")
    called.begin(1, model)
    called.check("camera-1")
    called.report("camera-1", 1, DEPLOYMENT_STATE_DOWNLOADING)
    before = standing(called), list_deployments(called, 1)
    called.stop("distribution")
    called.start("distribution")
    eventually(
        lambda: called.rollouts.GetRollout(wire.GetRolloutRequest(rollout_id=uuid(1)), wait_for_ready=True)
    )
    assert (standing(called), list_deployments(called, 1)) == before
    assert called.check("camera-1").offer.model == model
    assert called.publish(content).model == model


# ---------------------------------------------------------------- operators


def test_creating_is_idempotent_by_id_and_content(called: Called, model: device_pb2.ModelReference) -> None:
    made = called.create(1, model, site="north")
    assert made.state == ROLLOUT_STATE_DRAFT
    assert made.model == model
    assert (made.operator, dict(made.target_labels)) == ("ada", {"site": "north"})
    assert made.HasField("create_time")
    assert called.create(1, model, site="north") == made
    refusal = refused(lambda: called.create(1, model, site="south"))
    assert refusal.kind == ("ALREADY_EXISTS", "ROLLOUT_CONFLICT")


def test_a_rollout_of_nothing_is_refused(called: Called) -> None:
    refusal = refused(called.create, 1, unknown_model())
    assert refusal.kind == ("NOT_FOUND", "MODEL_VERSION_NOT_FOUND")


def test_verbs_change_the_state_and_the_revision(called: Called, model: device_pb2.ModelReference) -> None:
    called.create(1, model)
    seen = [
        getattr(called.rollouts, verb)(VERBS[verb](rollout_id=uuid(1))).rollout
        for verb in ("StartRollout", "PauseRollout", "ResumeRollout", "AbortRollout", "AbortRollout")
    ]
    assert [(one.state, one.revision) for one in seen] == [
        (ROLLOUT_STATE_RUNNING, 2),
        (ROLLOUT_STATE_PAUSED, 3),
        (ROLLOUT_STATE_RUNNING, 4),
        (ROLLOUT_STATE_ABORTED, 5),
        (ROLLOUT_STATE_ABORTED, 5),
    ]
    for verb in ("StartRollout", "PauseRollout", "ResumeRollout"):
        refusal = refused(getattr(called.rollouts, verb), VERBS[verb](rollout_id=uuid(1)))
        assert refusal.kind == ("FAILED_PRECONDITION", "ROLLOUT_STATE")


def test_unknown_rollouts_are_not_found(called: Called) -> None:
    for verb, request in VERBS.items():
        refusal = refused(getattr(called.rollouts, verb), request(rollout_id=uuid(9)))
        assert refusal.kind == ("NOT_FOUND", "ROLLOUT_NOT_FOUND")
        malformed = refused(getattr(called.rollouts, verb), request(rollout_id="nine"))
        assert (malformed.kind, malformed.field) == (INVALID_FIELD, "rollout_id")


def test_rollouts_come_newest_first_in_pages(called: Called, model: device_pb2.ModelReference) -> None:
    for number in (2, 1, 3):
        called.create(number, model)
    first = list_rollouts(called, 2)
    assert [one.rollout_id for one in first.rollouts] == [uuid(3), uuid(1)]
    second = list_rollouts(called, 2, first.next_page_token)
    assert [one.rollout_id for one in second.rollouts] == [uuid(2)]
    assert second.next_page_token == ""
    bad = wire.ListRolloutsRequest(page_token="?")
    assert refused(called.rollouts.ListRollouts, bad).kind == ("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN")


def test_deployments_come_by_device_in_pages(called: Called, model: device_pb2.ModelReference) -> None:
    names = ["camera-1", "camera-10", "camera-2"]
    called.register(*names)
    called.begin(1, model)
    for name in reversed(names):
        called.check(name)
    first = list_deployments(called, 1, 2)
    assert [one.device_id for one in first.deployments] == names[:2]
    assert {one.state for one in first.deployments} == {DEPLOYMENT_STATE_OFFERED}
    second = list_deployments(called, 1, 2, first.next_page_token)
    assert [one.device_id for one in second.deployments] == names[2:]
    assert second.next_page_token == ""
    other = wire.ListDeploymentsRequest(rollout_id=uuid(2), page_token=first.next_page_token)
    refusal = refused(called.rollouts.ListDeployments, other)
    assert refusal.kind == ("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN")


def test_fields_of_a_rollout_keep_their_limits(called: Called) -> None:
    good: dict[str, Any] = {
        "rollout_id": uuid(1),
        "model": device_pb2.ModelReference(model_name="fashion", version=1),
        "operator": "ada",
    }
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"rollout_id": ""}, "rollout.rollout_id"),
        ({"model": device_pb2.ModelReference(model_name="fashion")}, "rollout.model.version"),
        ({"model": device_pb2.ModelReference(version=1)}, "rollout.model.model_name"),
        ({"operator": ""}, "rollout.operator"),
        ({"operator": "x" * 129}, "rollout.operator"),
        ({"target_labels": {"site!": "north"}}, "rollout.target_labels key"),
        ({"target_labels": {"site": "n" * 64}}, "rollout.target_labels[site]"),
        ({"target_labels": {f"k{number}": "" for number in range(33)}}, "rollout.target_labels"),
    ]
    for change, field in wrong:
        request = wire.CreateRolloutRequest(rollout=rollout_pb2.Rollout(**good | change))
        refusal = refused(called.rollouts.CreateRollout, request)
        assert (refusal.kind, refusal.field) == (INVALID_FIELD, field)


# ---------------------------------------------------------------- devices


def test_an_unknown_device_is_told_to_register(called: Called) -> None:
    assert refused(called.check, "camera-9").kind == ("NOT_FOUND", "DEVICE_NOT_FOUND")
    assert refused(called.check, "!").field == "device_id"
    assert refused(called.check, "camera-9", "short").field == "running_model.bundle_sha256"


def test_no_rollout_no_offer(called: Called) -> None:
    called.register("camera-1")
    assert called.check("camera-1") == wire.CheckUpdateResponse()


def test_checking_while_ingestion_is_away_says_when_to_come_back(called: Called) -> None:
    called.stop("ingestion")
    refusal = refused(called.check, "camera-1")
    assert refusal.kind == ("UNAVAILABLE", "DEVICES_UNAVAILABLE")
    assert refusal.retry_after_s is not None


def test_reports_are_refused_from_those_who_are_no_target(
    called: Called, model: device_pb2.ModelReference
) -> None:
    called.register("camera-1")
    unknown = refused(called.report, "camera-1", 1, DEPLOYMENT_STATE_DOWNLOADING)
    assert unknown.kind == ("NOT_FOUND", "ROLLOUT_NOT_FOUND")
    called.begin(1, model, site="north")
    stranger = refused(called.report, "camera-1", 1, DEPLOYMENT_STATE_DOWNLOADING)
    assert stranger.kind == ("FAILED_PRECONDITION", "DEPLOYMENT_NOT_OFFERED")


def test_only_the_offered_bundle_counts_as_committed(
    called: Called, model: device_pb2.ModelReference
) -> None:
    called.register("camera-1")
    called.begin(1, model)
    called.check("camera-1")
    refusal = refused(called.report, "camera-1", 1, DEPLOYMENT_STATE_COMMITTED, digest("old bundle"))
    assert (refusal.kind, refusal.field) == (INVALID_FIELD, "deployment.running_bundle_sha256")
    stored = called.report("camera-1", 1, DEPLOYMENT_STATE_COMMITTED, model.bundle_sha256)
    late = called.report("camera-1", 1, DEPLOYMENT_STATE_DOWNLOADING)
    assert late == stored


def test_fields_of_a_report_keep_their_limits(called: Called) -> None:
    good: dict[str, Any] = {
        "rollout_id": uuid(1),
        "device_id": "camera-1",
        "state": DEPLOYMENT_STATE_TRIAL,
    }
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"rollout_id": "x"}, "deployment.rollout_id"),
        ({"device_id": ""}, "deployment.device_id"),
        ({"state": 0}, "deployment.state"),
        ({"state": 99}, "deployment.state"),
        ({"reason": "r" * 1025}, "deployment.reason"),
        ({"running_bundle_sha256": "abc"}, "deployment.running_bundle_sha256"),
    ]
    for change, field in wrong:
        request = wire.ReportDeploymentRequest(deployment=rollout_pb2.Deployment(**good | change))
        refusal = refused(called.rollouts.ReportDeployment, request)
        assert (refusal.kind, refusal.field) == (INVALID_FIELD, field)


# ---------------------------------------------------------------- downloads


def test_a_download_goes_on_where_it_broke(
    called: Called, content: bytes, model: device_pb2.ModelReference
) -> None:
    for offset in (1, 1000, len(content) - 1, len(content)):
        header, *pieces = called.download(model.bundle_sha256, offset)
        assert header.header.size_bytes == len(content)
        assert b"".join(piece.data for piece in pieces) == content[offset:]


def test_beyond_the_end_is_out_of_range(
    called: Called, content: bytes, model: device_pb2.ModelReference
) -> None:
    refusal = refused(called.download, model.bundle_sha256, len(content) + 1)
    assert refusal.kind == ("OUT_OF_RANGE", "OFFSET_BEYOND_END")
    assert refusal.metadata["size_bytes"] == str(len(content))
    assert refused(called.download, model.bundle_sha256, -1).field == "offset"


def test_only_registered_bundles_are_handed_out(called: Called) -> None:
    """A blob of another kind, or one whose publishing has not finished, is nobody's download."""
    stray = b"some device's package"
    (folder := called.settings.data_dir / "blobs" / sha256_of(stray)[:2]).mkdir(parents=True, exist_ok=True)
    (folder / sha256_of(stray)).write_bytes(stray)
    for sha256 in (sha256_of(stray), digest("never seen")):
        assert refused(called.download, sha256).kind == ("NOT_FOUND", "ARTIFACT_NOT_FOUND")
    assert refused(called.download, "../../etc/passwd").field == "sha256"


def test_an_abort_withdraws_the_bundle(called: Called, model: device_pb2.ModelReference) -> None:
    called.register("camera-1")
    called.begin(1, model)
    called.check("camera-1")
    aborted = called.abort(1)
    assert [(one.state, one.device_count) for one in aborted.deployment_counts] == [
        (DEPLOYMENT_STATE_CANCELLED, 1)
    ]
    assert refused(called.download, model.bundle_sha256).kind == ("NOT_FOUND", "ARTIFACT_NOT_FOUND")
    assert not called.check("camera-1").HasField("offer")
    eventually(lambda: called.update_mark("camera-1") == aborted.revision)
    called.begin(2, model)
    assert called.check("camera-1").offer.rollout_id == uuid(2)
    assert next(called.download(model.bundle_sha256)).header.sha256 == model.bundle_sha256


def test_an_abort_ends_downloads_under_way(called: Called, tmp_path: Path) -> None:
    """A bundle far larger than what gRPC buffers ahead, so that most of it is still to come."""
    large = device_bundle(tmp_path, release_counter=8, padding_bytes=64 * 1024 * 1024)
    model = called.publish(large).model
    called.begin(1, model)
    answers = called.download(model.bundle_sha256)
    received = len(next(answers).data) + len(next(answers).data)
    called.abort(1)

    def read_on() -> None:
        nonlocal received
        for answer in answers:
            received += len(answer.data)

    assert refused(read_on).kind == ("NOT_FOUND", "ARTIFACT_NOT_FOUND")
    assert 0 < received < len(large)


# ---------------------------------------------------------------- bytes that are no message


def test_bytes_that_are_no_message_are_the_callers_fault(called: Called) -> None:
    for service in ("ModelService", "RolloutService"):
        for method in descriptor_pool.Default().FindServiceByName(f"tinymlops.v1.{service}").methods:
            path = f"/tinymlops.v1.{service}/{method.name}"
            garbage = b"\xff\xff\xff"
            if method.client_streaming:
                refusal = refused(called.channel.stream_unary(path), iter([garbage]))
            elif method.server_streaming:
                refusal = refused(called.channel.unary_stream(path), garbage)
            else:
                refusal = refused(called.channel.unary_unary(path), garbage)
            assert refusal.kind == ("INVALID_ARGUMENT", "MALFORMED_REQUEST"), path


def test_a_stream_that_turns_into_garbage_is_refused(called: Called, content: bytes) -> None:
    header = publish_messages(content)[0].SerializeToString()
    path = "/tinymlops.v1.ModelService/PublishModelVersion"
    refusal = refused(called.channel.stream_unary(path), iter([header, b"\xff\xff"]))
    assert refusal.kind == ("INVALID_ARGUMENT", "MALFORMED_REQUEST")
