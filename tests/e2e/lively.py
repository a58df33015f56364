"""A lively Drift Hub for its pictures: several devices, weeks of drift, reviewers who disagree, a rollout, a rule."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from google.protobuf.timestamp_pb2 import Timestamp

from tests.e2e.lone_device import fit_bundle
from tests.support.drift_hub import DriftHub
from tests.support.evidence import classifier, stable_id
from tests.support.fleet import STORIES, TIMEOUT_S, Fleet, Story
from tests.support.telemetry import a_day, send_telemetry
from tinyboard.client.hub import GrpcHub
from tinyboard.views.notification_records import QuietView, RuleView
from tinyboard.views.records import SampleView, VerdictView
from tinymlops.v1 import drift_pb2, drift_service_pb2, rollout_pb2, rollout_service_pb2

BERLIN, HAMBURG, DRESDEN, MUNICH = STORIES
LEIPZIG = Story(
    device_id="camera-5",
    display_name="Leipzig, hall 2",
    location=(51.34, 12.37),
    counters={"prediction_count": 2_204, "drift_event_count": 1},
    status={"quarantine_count": 19, "latency_ms": 2.5, "memory_bytes": 75 << 20},
    severity="HIGH",
    cause="NOVELTY",
    shift_sigma=3.6,
    description="Two of five samples lie far from all known classes.",
    class_counts={"bag": 14, "coat": 8, "shirt": 8},
)
TYPES = ("KNN_DISTANCE", "CONFIDENCE", "CLASS_DISTRIBUTION", "FEATURE_RESIDUAL")
SEVERITIES = ("LOW", "MEDIUM", "MEDIUM", "HIGH", "LOW", "CRITICAL")


def told_by_devices(hub: DriftHub) -> Fleet:
    """Five devices, four of them drifting, and a month of drift before."""
    fleet = hub.fleet()
    now = datetime.now(UTC)
    past = [_past_event(number, now) for number in range(36)]
    fleet.drift.ReportDriftEvents(
        drift_service_pb2.ReportDriftEventsRequest(drift_events=past), timeout=TIMEOUT_S
    )
    fleet.report((*STORIES, LEIPZIG))
    logged = [
        (now - timedelta(minutes=3), "INFO", "adaptation committed: 24 labels of people"),
        (now - timedelta(minutes=41), "WARNING", "link is away; 3 packages wait"),
        (now - timedelta(hours=2), "INFO", "started with fashion v1"),
    ]
    target = hub.server.addresses["ingestion"]
    send_telemetry(target, BERLIN.device_id, now, measured=a_day(now), logged=logged)
    return fleet


def judged(hub: DriftHub, fleet: Fleet, story: Story, count: int) -> None:
    """One reviewer judges the first samples of an event."""
    client = client_of(hub)
    samples = client.samples(drift_event_id=story.drift_event_id)[:count]
    client.judge([_verdict(one, "ada", fleet.truth[one.sample_id]) for one in samples])


def judged_by_several(hub: DriftHub, fleet: Fleet) -> None:
    """Two must agree for a while, and now and then they do not."""
    client = client_of(hub)
    before = client.reviewing.settings()
    client.reviewing.change_settings(
        replace(before, policy="AGREEMENT", required_count=2, reviewer_count=2, reviewer="grace")
    )
    for place, sample in enumerate(client.samples(drift_event_id=LEIPZIG.drift_event_id)[:16]):
        truth = fleet.truth[sample.sample_id]
        client.judge([_verdict(sample, "ada", truth)])
        client.judge([_verdict(sample, "grace", "shirt" if place % 5 == 4 else truth)])


def rolled_out(hub: DriftHub) -> None:
    """A version on its way to the devices, and a draft of the next."""
    with tempfile.TemporaryDirectory() as folder:
        version = hub.server.publish(fit_bundle(Path(folder)), "fashion")
    hub.server.roll_out(version.model)
    rollouts = hub.server.rollouts
    states = (
        (BERLIN, rollout_pb2.DEPLOYMENT_STATE_COMMITTED),
        (HAMBURG, rollout_pb2.DEPLOYMENT_STATE_TRIAL),
        (MUNICH, rollout_pb2.DEPLOYMENT_STATE_DOWNLOADING),
    )
    for story, state in states:
        check = rollout_service_pb2.CheckUpdateRequest(device_id=story.device_id)
        offer = rollouts.CheckUpdate(check, timeout=TIMEOUT_S).offer
        reached = rollout_pb2.Deployment(
            rollout_id=offer.rollout_id,
            device_id=story.device_id,
            state=state,
            running_bundle_sha256=offer.model.bundle_sha256,
        )
        rollouts.ReportDeployment(
            rollout_service_pb2.ReportDeploymentRequest(deployment=reached), timeout=TIMEOUT_S
        )
    client_of(hub).distribution.create(
        stable_id("draft"), "fashion", version.model.version, {"site": "munich"}, operator="ada"
    )


def with_a_rule(hub: DriftHub) -> None:
    """Severe and systemic drift is told at once, except at night."""
    client_of(hub).notifications.put(
        RuleView(
            rule_id=stable_id("rule"),
            name="Severe drift to the shift",
            enabled=True,
            topics=("DRIFT_EVENT", "SYSTEMIC_DRIFT"),
            minimum_severity="HIGH",
            types=(),
            channels=("mailto://hub:secret@mail.example.org", "json://hooks.example.org/drift"),
            repeat_s=3_600,
            quiet=QuietView(start_minute=22 * 60, end_minute=6 * 60, time_zone="Europe/Berlin"),
            reviewer="ada",
            update_time=None,
        )
    )


def client_of(hub: DriftHub) -> GrpcHub:
    """The dashboard's own client."""
    addresses = hub.server.addresses
    return GrpcHub(addresses["ingestion"], addresses["drift"], addresses["distribution"])


def _verdict(sample: SampleView, reviewer: str, label: str) -> VerdictView:
    decision = "NEW_LABEL" if label == "bag" else "CONFIRMED_LABEL"
    return VerdictView(sample_id=sample.sample_id, reviewer=reviewer, decision=decision, label=label)


def _past_event(number: int, now: datetime) -> drift_pb2.DriftEvent:
    moment = now - timedelta(hours=5 + 4.5 * number + 7 * (number % 3))
    kind, severity = TYPES[number % len(TYPES)], SEVERITIES[number % len(SEVERITIES)]
    return drift_pb2.DriftEvent(
        drift_event_id=stable_id("past", number),
        device_id=(BERLIN, HAMBURG, DRESDEN, MUNICH)[number % 4].device_id,
        model=classifier().model,
        detector=f"{kind.lower()}.page_hinkley",
        type=drift_pb2.DriftType.Value(f"DRIFT_TYPE_{kind}"),
        severity=drift_pb2.Severity.Value(f"SEVERITY_{severity}"),
        cause=drift_pb2.DRIFT_CAUSE_COVARIATE_SHIFT,
        statistic=21.0 + number,
        threshold=12.5,
        shift_sigma=0.6 + number % 5,
        start_index=1_000 * number,
        detect_index=1_000 * number + 40,
        recovery_index=1_000 * number + 400,
        description="The light changed for some minutes.",
        start_time=_stamp(moment - timedelta(minutes=3)),
        detect_time=_stamp(moment),
        recovery_time=_stamp(moment + timedelta(minutes=20)),
    )


def _stamp(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp
