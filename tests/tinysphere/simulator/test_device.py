"""What simulated devices make, keep and lose."""

import hashlib
import io
import tarfile
from datetime import timedelta

import pytest
import zstandard
from google.protobuf import json_format

from tests.tinysphere.simulator.lives import START, lived, moments_of, plan, until
from tinymlops.v1 import drift_pb2, feedback_pb2, package_pb2
from tinysphere.simulator.script.classes import KNOWN, centres, classify, sample_points, true_label
from tinysphere.simulator.script.clocks import EARLIEST
from tinysphere.simulator.script.device import Device
from tinysphere.simulator.script.packing import Package
from tinysphere.simulator.script.plan import Happening
from tinysphere.simulator.script.scenario import YEAR_S, Clock, Drift, Link, Power, Scenario, Traffic

STEADY_TRAFFIC = Traffic(join_s=(0, 0), package_every_s=(10, 10))


def receipt_of(package: Package) -> package_pb2.Package:
    return package_pb2.Package(descriptor=package.descriptor, state=package_pb2.PACKAGE_STATE_COMMITTED)


def members_of(package: Package) -> dict[str, bytes]:
    plain = zstandard.ZstdDecompressor().decompressobj().decompress(package.content)
    with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]


def test_a_package_is_what_its_manifest_says() -> None:
    scenario = Scenario(traffic=Traffic(state_bytes=(500, 500)), drift=Drift(device_share=1, begin_s=(0, 0)))
    device = lived(scenario)
    assert len(device.waiting) > 2
    for package in device.waiting:
        members = members_of(package)
        assert next(iter(members)) == "manifest.json"
        manifest = json_format.Parse(members.pop("manifest.json"), package_pb2.PackageManifest())
        assert (manifest.package_id, manifest.device_id) == (package.package_id, device.plan.device_id)
        told = {entry.path: (entry.sha256, entry.size_bytes) for entry in manifest.entries}
        assert told == {
            path: (hashlib.sha256(content).hexdigest(), len(content)) for path, content in members.items()
        }
        assert {entry.kind for entry in manifest.entries} == set(package.record_counts)
        assert package.descriptor.sha256 == hashlib.sha256(package.content).hexdigest()


def test_a_drift_is_one_event_with_evidence_and_an_end() -> None:
    drift = Drift(device_share=1, begin_s=(25, 25), last_s=(30, 30), sample_count=4)
    device = lived(Scenario(traffic=STEADY_TRAFFIC, drift=drift), duration_s=100)
    events = [one for one in device.waiting if package_pb2.ENTRY_KIND_DRIFT_EVENTS in one.record_counts]
    evidence = [one for one in device.waiting if package_pb2.ENTRY_KIND_SAMPLES in one.record_counts]
    assert len(device.ledger.event_ids) == 1
    assert device.ledger.recovered_ids == device.ledger.event_ids
    assert len(events) == 2  # its begin and its end
    assert len(evidence) == 1 + 3  # with the event, and with the reports at 30, 40 and 50 s
    assert device.waiting[: len(evidence)] == evidence  # evidence leaves first


def test_one_that_outlasts_the_run_has_no_end() -> None:
    drift = Drift(device_share=1, begin_s=(25, 25), last_s=(1e6, 1e6))
    device = lived(Scenario(traffic=STEADY_TRAFFIC, drift=drift), duration_s=100)
    assert device.ledger.event_ids
    assert not device.ledger.recovered_ids
    assert device.heartbeat(100.0).status.drifting


def test_power_takes_what_no_checkpoint_kept() -> None:
    power = Power(cut_every_s=(45, 45), down_s=(10, 10), checkpoint_every_s=20)
    scenario = Scenario(traffic=STEADY_TRAFFIC, drift=Drift(device_share=0), power=power)
    device = Device(plan(scenario, duration_s=60), scenario)
    (lost,), (back,) = (
        moments_of(device.plan, Happening.POWER_LOST),
        moments_of(device.plan, Happening.POWER_BACK),
    )
    until(device, 40)
    first, second, *rest = device.waiting
    device.take_receipt(receipt_of(first), 39.0)  # durable with the checkpoint at 40 s
    device.take_receipt(receipt_of(second), 41.0)  # forgotten at 45 s
    assert device.waiting == rest
    before = device.heartbeat(44.0)
    device.live(lost)
    assert not device.is_on
    device.live(back)
    assert device.waiting == [second, *rest]
    after = device.heartbeat(56.0)
    assert after.boot_id != before.boot_id
    assert (before.sequence, after.sequence) == (1, 1)
    assert (before.counters.package_count, after.counters.package_count) == (2, 0)


def test_a_device_without_power_makes_nothing_and_notices_a_drift_later() -> None:
    power = Power(cut_every_s=(5, 5), down_s=(50, 50))
    drift = Drift(device_share=1, begin_s=(20, 20), last_s=(1e6, 1e6))
    scenario = Scenario(traffic=STEADY_TRAFFIC, drift=drift, power=power)
    device = Device(plan(scenario, duration_s=58), scenario)
    until(device, 54.9)
    assert len(device.ledger.made) == 1  # that of its start
    assert not device.ledger.event_ids
    until(device, 58)
    assert device.ledger.event_ids


@pytest.mark.parametrize(("checkpoint_every_s", "sequence"), [(40.0, 20), (50.0, 0)])
def test_feedback_is_learned_once_unless_power_takes_it(checkpoint_every_s: float, sequence: int) -> None:
    power = Power(cut_every_s=(45, 45), down_s=(1, 1), checkpoint_every_s=checkpoint_every_s)
    scenario = Scenario(traffic=STEADY_TRAFFIC, power=power)
    device = Device(plan(scenario, duration_s=50), scenario)
    (lost,) = moments_of(device.plan, Happening.POWER_LOST)
    points = sample_points("feedback", count=20, shift_sigma=5.0, novel_share=0.5)
    items = [
        feedback_pb2.FeedbackItem(
            feedback_id=f"item-{place}",
            sequence=place + 1,
            label=label,
            embedding=drift_pb2.Embedding(values=point.astype("<f4").tobytes()),
        )
        for place, (label, point) in enumerate(points)
    ]
    items[-1].label = ""  # unusable
    answers = device.learn(items, 10.0)
    effect = answers[0].effect
    assert [one.outcome for one in answers[:-1]] == [feedback_pb2.FEEDBACK_OUTCOME_APPLIED] * 19
    assert answers[-1].outcome == feedback_pb2.FEEDBACK_OUTCOME_REJECTED
    assert effect.judged_sample_count == 19
    assert effect.judged_accuracy_before < 0.7 < effect.judged_accuracy_after
    assert effect.reference_accuracy_before == 1.0
    device.take_acknowledged(items, 10.0)
    assert device.feedback_sequence == 20
    again = device.learn(items, 20.0)[0].effect
    assert again.judged_accuracy_before == effect.judged_accuracy_after  # nothing new was learned
    device.live(lost)
    assert device.feedback_sequence == sequence
    relearned = device.learn(items, 46.0)[0].effect.judged_accuracy_before
    assert relearned == (effect.judged_accuracy_after if sequence else effect.judged_accuracy_before)


def test_clocks_lie_as_the_scenario_says() -> None:
    def now(clock: Clock, at_s: float) -> timedelta:
        scenario = Scenario(traffic=STEADY_TRAFFIC, clock=clock)
        return Device(plan(scenario), scenario).now(at_s) - START

    assert now(Clock(), 100) == timedelta(seconds=100)
    assert now(Clock(epoch_share=1), 100) == EARLIEST + timedelta(seconds=100) - START
    assert now(Clock(ahead_share=1), 100) == timedelta(seconds=10 * YEAR_S + 100)
    back = Clock(backwards_share=1, backwards_at_s=(50, 50), backwards_s=(3600, 3600))
    assert now(back, 49) == timedelta(seconds=49)
    assert now(back, 51) == timedelta(seconds=51 - 3600)


def test_a_device_without_a_battery_is_in_1970_after_every_boot() -> None:
    scenario = Scenario(
        traffic=STEADY_TRAFFIC, clock=Clock(epoch_share=1), power=Power(cut_every_s=(100, 100), down_s=(1, 1))
    )
    device = lived(scenario, duration_s=350)
    times = [package.descriptor.create_time.ToDatetime().year for package in device.waiting]
    assert set(times) == {1970}
    assert device.now(350) < EARLIEST + timedelta(seconds=100)


def test_outages_say_when_the_link_is_back() -> None:
    scenario = Scenario(link=Link(offline_every_s=(50, 50), offline_s=(20, 20)))
    outages = plan(scenario, duration_s=100)
    assert outages.outages == ((50, 70),)
    assert [outages.online_from_s(at_s) for at_s in (49.9, 50.0, 69.0, 70.0)] == [49.9, 70.0, 70.0, 70.0]


def test_classes_lie_apart_and_a_novel_one_looks_far() -> None:
    known = {label: centres()[label] for label in KNOWN}
    usual = sample_points("usual", count=300, shift_sigma=0.0, novel_share=0.0)
    novel = sample_points("novel", count=300, shift_sigma=0.0, novel_share=1.0)
    assert sum(classify(point, known).label == label for label, point in usual) > 290
    assert sum(true_label(point) == label for label, point in novel) > 290
    scores = [[classify(point, known).distance_score for _, point in points] for points in (usual, novel)]
    assert abs(sum(scores[0]) / 300) < 0.3
    assert sum(scores[1]) / 300 > 3
