"""A model arrives whole and verified, over a link that breaks, and every step is reported."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.duration_pb2 import Duration

from tests.fakes.sphere import CHUNK_BYTES, UNAVAILABLE, FakeSphere, Refusal
from tests.tinylcm.builders import KEY, MODEL, HandClock, tiny_release
from tests.tinylcm.sync.conftest import Rig
from tinylcm.adapters.bundle import build_bundle
from tinylcm.sync.failures import CallError
from tinylcm.sync.models import ASK_ANYWAY_S
from tinymlops.v1 import device_pb2, rollout_pb2


def offer(
    sphere: FakeSphere,
    tmp_path: Path,
    *,
    number: int = 1,
    counter: int = 1,
    key: Ed25519PrivateKey = KEY,
) -> str:
    """Publishes a bundle of about 200 KiB and offers it; returns its SHA-256."""
    path = tmp_path / "offered.bundle"
    extractor = bytes([number]) * 200_000
    release = tiny_release(release_counter=counter)
    digest = build_bundle(path, release, extractor=extractor, meta={}, arrays={}, key=key)
    sphere.artifacts[digest] = path.read_bytes()
    sphere.offer = rollout_pb2.UpdateOffer(
        rollout_id=f"rollout-{number}",
        model=device_pb2.ModelReference(model_name="tiny", version=number, bundle_sha256=digest),
        size_bytes=path.stat().st_size,
    )
    return digest


def follow(rig: Rig, mark: int = 1) -> int:
    """Follows through every break; returns the number of breaks."""
    for breaks in range(100):
        try:
            rig.models.follow(mark)
        except CallError as error:
            assert error.is_link_failure, error
        else:
            return breaks
    raise AssertionError("no end of breaks")


def idle_digest(rig: Rig) -> str | None:
    bundle = rig.slots.idle()
    return None if bundle is None else bundle.bundle_sha256


def test_a_bundle_is_fetched_verified_and_staged(registered: Rig, sphere: FakeSphere, tmp_path: Path) -> None:
    digest = offer(sphere, tmp_path)
    follow(registered)

    assert idle_digest(registered) == digest
    assert registered.slots.version_of(digest) == 1
    assert registered.device.activations == 1
    assert sphere.deployments["rollout-1"] == ["OFFERED", "DOWNLOADING", "VERIFIED", "STAGED"]


def test_a_broken_download_goes_on_also_after_a_reboot(
    registered: Rig, sphere: FakeSphere, tmp_path: Path
) -> None:
    digest = offer(sphere, tmp_path)
    sphere.break_download_after = 3 * CHUNK_BYTES
    with pytest.raises(CallError):
        registered.models.follow(1)
    registered.models = registered.make_models()
    breaks = follow(registered)

    assert idle_digest(registered) == digest
    assert sphere.download_offsets == [3 * CHUNK_BYTES * turn for turn in range(breaks + 2)]


def test_nothing_is_asked_while_a_bundle_settles(registered: Rig, sphere: FakeSphere, tmp_path: Path) -> None:
    digest = offer(sphere, tmp_path)
    follow(registered)
    registered.device.running_model = replace(MODEL, bundle_sha256=digest)
    for state in ("TRIAL", "COMMITTED"):
        registered.models.follow(99)
        assert sphere.asked["CheckUpdate"] == 1
        registered.deployments.advance(state)
    registered.models.follow(99)

    assert sphere.asked["CheckUpdate"] == 2
    assert sphere.deployments["rollout-1"][-2:] == ["TRIAL", "COMMITTED"]


def test_a_damaged_tail_is_thrown_away_and_fetched_again(
    registered: Rig, sphere: FakeSphere, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    digest = offer(sphere, tmp_path)
    registered.slots.partial_file(digest).write_bytes(bytes(5000))
    with caplog.at_level(logging.WARNING):
        follow(registered)

    assert idle_digest(registered) == digest
    assert sphere.download_offsets == [5000, 0]


def test_wrong_bytes_are_rejected_for_good(
    registered: Rig, sphere: FakeSphere, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    digest = offer(sphere, tmp_path)
    sphere.artifacts[digest] = bytes(len(sphere.artifacts[digest]))
    caplog.set_level(logging.CRITICAL)
    follow(registered)
    follow(registered, mark=2)

    assert sphere.deployments["rollout-1"][-1] == "REJECTED"
    assert idle_digest(registered) is None
    assert len(sphere.download_offsets) == 1
    assert registered.device.activations == 0


def test_a_server_that_sends_too_much_is_cut_short(
    registered: Rig, sphere: FakeSphere, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    digest = offer(sphere, tmp_path)
    sphere.artifacts[digest] += bytes(1_000_000)
    caplog.set_level(logging.CRITICAL)
    follow(registered)

    assert sphere.deployments["rollout-1"][-1] == "REJECTED"


def test_a_strangers_bundle_is_rejected_with_the_reason(
    registered: Rig, sphere: FakeSphere, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    offer(sphere, tmp_path, key=Ed25519PrivateKey.generate())
    caplog.set_level(logging.CRITICAL)
    follow(registered)

    assert sphere.deployments["rollout-1"] == ["OFFERED", "DOWNLOADING", "REJECTED"]
    record = registered.deployments.read()
    assert record is not None
    assert "not trusted" in record.reason


def test_an_older_release_is_rejected(
    registered: Rig, sphere: FakeSphere, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    offer(sphere, tmp_path, counter=5)
    follow(registered)
    registered.deployments.advance("COMMITTED")
    offer(sphere, tmp_path, number=2, counter=4)
    caplog.set_level(logging.CRITICAL)
    follow(registered, mark=2)

    assert sphere.deployments["rollout-2"][-1] == "REJECTED"


def test_a_withdrawn_bundle_ends_the_loop(
    registered: Rig, sphere: FakeSphere, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    offer(sphere, tmp_path)
    sphere.artifacts.clear()
    caplog.set_level(logging.CRITICAL)
    follow(registered)

    assert registered.deployments.read() is None
    assert sphere.deployments["rollout-1"] == ["OFFERED", "DOWNLOADING"]


@pytest.mark.parametrize("reason", ["ROLLOUT_NOT_FOUND", "DEPLOYMENT_NOT_OFFERED"])
def test_a_rollout_that_is_not_meant_for_the_device_is_forgotten(
    registered: Rig, sphere: FakeSphere, tmp_path: Path, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    offer(sphere, tmp_path)
    sphere.refuse("ReportDeployment", Refusal(code=grpc.StatusCode.NOT_FOUND, reason=reason), times=9)
    caplog.set_level(logging.CRITICAL)
    follow(registered)

    assert idle_digest(registered) is None
    assert registered.device.activations == 0


def test_a_report_that_got_lost_is_made_up_for(registered: Rig, sphere: FakeSphere, tmp_path: Path) -> None:
    offer(sphere, tmp_path)
    follow(registered)
    registered.deployments.advance("COMMITTED")
    sphere.refuse("ReportDeployment", UNAVAILABLE, times=3)
    with pytest.raises(CallError):
        registered.models.follow(1)
    registered.models = registered.make_models()
    follow(registered)

    assert sphere.deployments["rollout-1"][-1] == "COMMITTED"


def test_what_runs_already_is_committed_at_once(registered: Rig, sphere: FakeSphere, tmp_path: Path) -> None:
    digest = offer(sphere, tmp_path)
    registered.deployments.begin("rollout-1", digest, 1)
    registered.device.running_model = replace(MODEL, bundle_sha256=digest)
    sphere.always_offer = True
    follow(registered)

    assert sphere.deployments["rollout-1"][-1] == "COMMITTED"
    assert sphere.download_offsets == []


def test_without_a_mark_it_asks_once_in_a_while(
    registered: Rig, sphere: FakeSphere, clock: HandClock
) -> None:
    registered.models.follow(0)
    registered.models.follow(0)
    assert sphere.asked["CheckUpdate"] == 1
    clock.forward(ASK_ANYWAY_S)
    registered.models.follow(0)
    assert sphere.asked["CheckUpdate"] == 2


def test_an_offer_that_must_wait_is_asked_for_when_its_time_has_come(
    registered: Rig, sphere: FakeSphere, clock: HandClock
) -> None:
    sphere.retry_after = Duration(seconds=40)
    registered.models.follow(0)
    clock.forward(39.0)
    registered.models.follow(0)
    assert sphere.asked["CheckUpdate"] == 1
    clock.forward(1.0)
    registered.models.follow(0)
    assert sphere.asked["CheckUpdate"] == 2


def test_a_rollout_that_failed_is_tried_again_when_the_server_says_so(
    registered: Rig, sphere: FakeSphere, tmp_path: Path
) -> None:
    digest = offer(sphere, tmp_path)
    registered.deployments.begin("rollout-1", digest, 1)
    registered.deployments.advance("FAILED", "no power")
    follow(registered)
    assert sphere.deployments["rollout-1"] == ["FAILED", "FAILED"]
    assert sphere.offer is not None
    sphere.offer.attempt = 1
    follow(registered, mark=2)

    assert idle_digest(registered) == digest
    assert sphere.deployments["rollout-1"][-4:] == ["OFFERED", "DOWNLOADING", "VERIFIED", "STAGED"]
    record = registered.deployments.read()
    assert record is not None
    assert record.attempt == 1
