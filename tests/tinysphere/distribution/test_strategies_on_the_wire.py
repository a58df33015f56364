"""Targets, waves and decisions of rollouts through real gRPC: what the comments of rollout.proto promise."""

import math
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from tests.support.refusals import refused
from tests.support.waiting import eventually
from tests.tinysphere.distribution.builders import device_bundle, digest, uuid
from tests.tinysphere.distribution.called import Called
from tinymlops.v1 import device_pb2, rollout_pb2
from tinymlops.v1 import rollout_service_pb2 as wire

INVALID_FIELD = ("INVALID_ARGUMENT", "INVALID_FIELD")


@pytest.fixture
def model(called: Called, tmp_path: Path) -> device_pb2.ModelReference:
    return called.publish(device_bundle(tmp_path)).model


def test_a_strategy_goes_there_and_back(called: Called, model: device_pb2.ModelReference) -> None:
    site = rollout_pb2.LabelCondition(
        key="site", operator=rollout_pb2.LABEL_OPERATOR_IN, values=["north", "lab"]
    )
    strategy = rollout_pb2.RolloutStrategy(
        waves=[
            rollout_pb2.RolloutWave(
                name="canary",
                percent=5,
                label_conditions=[site],
                success_share=0.9,
                failure_share=0.1,
                minimum_device_count=20,
                soak_duration=Duration(seconds=3600),
                approval_required=True,
            ),
            rollout_pb2.RolloutWave(name="all", percent=100, success_share=1),
        ],
        on_failure=rollout_pb2.FAILURE_ACTION_PAUSE,
        offline_policy=rollout_pb2.OFFLINE_POLICY_SKIP,
        approval_required=True,
        windows=[
            rollout_pb2.ScheduleWindow(
                weekdays=[1, 7], start_minute=1_380, duration_minutes=180, time_zone="Europe/Berlin"
            )
        ],
        offers_per_minute=100,
        jitter=Duration(seconds=60),
        priority=-5,
    )
    target = rollout_pb2.RolloutTarget(
        label_conditions=[site],
        running_model_names=["fashion"],
        machines=["aarch64"],
        device_ids=["camera-1"],
        running_bundle_sha256s=[digest("some bundle")],
    )
    made = called.create(1, model, target=target, strategy=strategy)
    assert (made.target, made.strategy) == (target, strategy)
    assert called.create(1, model, target=target, strategy=strategy) == made


@pytest.mark.parametrize(
    ("field", "strategy"),
    [
        ("waves[0].name", {"waves": [{"percent": 5}]}),
        ("waves[0].percent", {"waves": [{"name": "a", "percent": 101}]}),
        ("waves[1].failure_share", {"waves": [{"name": "a"}, {"name": "b", "failure_share": math.nan}]}),
        ("waves[0].soak_duration", {"waves": [{"name": "a", "soak_duration": {"seconds": -1}}]}),
        ("waves", {"waves": [{"name": "a"}] * 21}),
        ("windows[0].time_zone", {"windows": [{"duration_minutes": 5, "time_zone": "../etc"}]}),
        (
            "windows[0].weekdays[0]",
            {"windows": [{"weekdays": [8], "duration_minutes": 5, "time_zone": "UTC"}]},
        ),
        ("offers_per_minute", {"offers_per_minute": -1}),
        ("priority", {"priority": 101}),
        ("jitter", {"jitter": {"seconds": 8 * 86_400}}),
        ("on_failure", {"on_failure": 99}),
        ("rollback_version", {"on_failure": rollout_pb2.FAILURE_ACTION_ROLLBACK}),
        ("rollback_version", {"rollback_version": 1}),
    ],
)
def test_a_wrong_strategy_names_the_field(
    called: Called, model: device_pb2.ModelReference, field: str, strategy: dict[str, Any]
) -> None:
    refusal = refused(lambda: called.create(1, model, strategy=rollout_pb2.RolloutStrategy(**strategy)))
    assert (refusal.kind, refusal.field) == (INVALID_FIELD, f"rollout.strategy.{field}")


@pytest.mark.parametrize(
    ("field", "target"),
    [
        ("device_ids[1]", {"device_ids": ["camera-1", "../x"]}),
        ("running_bundle_sha256s[0]", {"running_bundle_sha256s": ["abc"]}),
        ("label_conditions[0].operator", {"label_conditions": [{"key": "site"}]}),
        ("label_conditions[0].values", {"label_conditions": [{"key": "site", "operator": 1}]}),
        (
            "label_conditions[0].values",
            {"label_conditions": [{"key": "site", "operator": 3, "values": ["a"]}]},
        ),
        ("machines[0]", {"machines": [""]}),
    ],
)
def test_a_wrong_target_names_the_field(
    called: Called, model: device_pb2.ModelReference, field: str, target: dict[str, Any]
) -> None:
    refusal = refused(lambda: called.create(1, model, target=rollout_pb2.RolloutTarget(**target)))
    assert (refusal.kind, refusal.field) == (INVALID_FIELD, f"rollout.target.{field}")


def test_approval_start_pause_and_their_decisions(called: Called, model: device_pb2.ModelReference) -> None:
    called.register("camera-1")
    called.create(1, model, strategy=rollout_pb2.RolloutStrategy(approval_required=True))
    rollouts, name = called.rollouts, uuid(1)
    early = refused(rollouts.StartRollout, wire.StartRolloutRequest(rollout_id=name))
    assert early.kind == ("FAILED_PRECONDITION", "APPROVAL_REQUIRED")
    own = refused(rollouts.ApproveRollout, wire.ApproveRolloutRequest(rollout_id=name, operator="ada"))
    assert own.kind == ("FAILED_PRECONDITION", "SELF_APPROVAL")
    nobody = refused(rollouts.ApproveRollout, wire.ApproveRolloutRequest(rollout_id=name))
    assert (nobody.kind, nobody.field) == (INVALID_FIELD, "operator")
    rollouts.ApproveRollout(wire.ApproveRolloutRequest(rollout_id=name, operator="bob"))
    rollouts.StartRollout(wire.StartRolloutRequest(rollout_id=name, operator="eve"))
    rollouts.PauseRollout(wire.PauseRolloutRequest(rollout_id=name))
    decisions: list[rollout_pb2.RolloutDecision] = []
    token = ""
    while True:
        page = rollouts.ListRolloutDecisions(
            wire.ListRolloutDecisionsRequest(rollout_id=name, page_size=3, page_token=token)
        )
        decisions.extend(page.decisions)
        token = page.next_page_token
        if not token:
            break
    assert [(one.action, one.actor) for one in decisions] == [
        (rollout_pb2.ROLLOUT_ACTION_CREATE, "ada"),
        (rollout_pb2.ROLLOUT_ACTION_APPROVE, "bob"),
        (rollout_pb2.ROLLOUT_ACTION_START, "eve"),
        (rollout_pb2.ROLLOUT_ACTION_PAUSE, "operator"),
    ]


def test_a_failed_device_is_offered_the_version_again(
    called: Called, model: device_pb2.ModelReference
) -> None:
    called.register("camera-1")
    called.begin(1, model)
    called.check("camera-1")
    called.report("camera-1", 1, rollout_pb2.DEPLOYMENT_STATE_FAILED)
    assert not called.check("camera-1").HasField("offer")
    answer = called.rollouts.RetryRollout(wire.RetryRolloutRequest(rollout_id=uuid(1)))
    assert answer.device_count == 1
    assert called.check("camera-1").offer.attempt == 1


def test_an_offer_that_must_wait_says_for_how_long(called: Called, model: device_pb2.ModelReference) -> None:
    called.register("camera-1", "camera-2")
    called.create(1, model, strategy=rollout_pb2.RolloutStrategy(offers_per_minute=1))
    called.rollouts.StartRollout(wire.StartRolloutRequest(rollout_id=uuid(1)))
    assert called.check("camera-1").HasField("offer")
    answer = called.check("camera-2")
    assert not answer.HasField("offer")
    assert 0 < answer.retry_after.seconds < 75


def test_waves_and_their_progress_are_shown(called: Called, model: device_pb2.ModelReference) -> None:
    called.register("camera-1", site="lab")
    called.register("camera-2", site="north")
    lab = rollout_pb2.LabelCondition(key="site", operator=rollout_pb2.LABEL_OPERATOR_IN, values=["lab"])
    waves = [
        rollout_pb2.RolloutWave(name="lab", label_conditions=[lab]),
        rollout_pb2.RolloutWave(name="all"),
    ]
    called.create(1, model, strategy=rollout_pb2.RolloutStrategy(waves=waves))
    called.rollouts.StartRollout(wire.StartRolloutRequest(rollout_id=uuid(1)))
    assert not called.check("camera-2").HasField("offer")
    assert called.check("camera-1").HasField("offer")
    called.report("camera-1", 1, rollout_pb2.DEPLOYMENT_STATE_COMMITTED, running=model.bundle_sha256)
    eventually(lambda: called.check("camera-2").HasField("offer"))
    shown = called.rollouts.GetRollout(wire.GetRolloutRequest(rollout_id=uuid(1))).rollout
    assert shown.wave_index == 1
    assert [(one.device_count, one.committed_count) for one in shown.wave_progress] == [(1, 1), (1, 0)]
    assert shown.wave_progress[1].HasField("open_time")
