"""Every cell of the table of modes in docs/device.md, seen on the running pipeline and the running daemon."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.fakes.sphere import FakeSphere
from tests.tinylcm.builders import labelled_images, novel_images
from tests.tinylcm.bundles import tiny_bundle
from tests.tinylcm.daemon.conftest import DeviceFolder, frames_of, show
from tests.tinylcm.daemon.test_service import judge, offer, outcomes, running, samples_at, sphere
from tests.tinylcm.pipeline.world import CENTRES, SETTINGS, World, draw, learned_state
from tinylcm.pipeline.learned import LearnedState
from tinylcm.records import AdaptationKind, DriftCause, FeedbackOutcome, Mode
from tinymlops.v1 import feedback_pb2

__all__ = ["sphere"]


@dataclass(frozen=True)
class Cells:
    """What docs/device.md says of one mode, where modes differ."""

    corrects_the_sensor: bool
    tries_pseudo_labels: bool
    learns_from_people: bool
    takes_models: bool


TABLE = {
    Mode.AUTONOMOUS: Cells(True, True, True, True),
    Mode.VALIDATED_LEARNING: Cells(False, False, True, True),
    Mode.CENTRALIZED: Cells(False, False, False, True),
    Mode.MONITORING_ONLY: Cells(False, False, False, False),
}
ROWS = pytest.mark.parametrize(("mode", "cells"), TABLE.items(), ids=[mode.value for mode in TABLE])

ALONE = replace(SETTINGS, collect_sample_count=120, probation_frame_count=60, least_mix_frame_count=100)


@pytest.fixture(scope="module")
def learned() -> LearnedState:
    return learned_state()


def test_the_table_has_every_mode() -> None:
    assert TABLE.keys() == set(Mode)


@ROWS
def test_drift_is_noticed_and_shown_in_every_mode(learned: LearnedState, mode: Mode, cells: Cells) -> None:
    world = World(learned, mode=mode).in_novel_drift()

    assert world.events
    assert len(world.quarantine) > 0
    assert len(world.samples) == world.settings.evidence_sample_count


@ROWS
def test_the_sensor_is_corrected_where_it_may_be(learned: LearnedState, mode: Mode, cells: Cells) -> None:
    world = World(learned, mode=mode, settings=ALONE)
    world.see(*draw(np.random.default_rng(5), 150))
    embeddings, labels = draw(np.random.default_rng(6), 200)
    world.see(embeddings + 0.6 * (CENTRES["dress"] - CENTRES["coat"]), labels)
    assert world.events
    kinds = {adaptation.kind for adaptation in world.adaptations}

    assert (AdaptationKind.SENSOR_CORRECTION in kinds) is cells.corrects_the_sensor
    assert (world.pipeline.learned is not learned) is cells.corrects_the_sensor


@ROWS
def test_own_labels_are_tried_where_they_may_be(learned: LearnedState, mode: Mode, cells: Cells) -> None:
    world, rng = World(learned, mode=mode, settings=ALONE), np.random.default_rng(6)
    world.see(*draw(rng, 150))
    world.see(*draw(rng, 400, novel_share=0.9))
    assert world.events[0].alarm.cause is DriftCause.NOVELTY
    kinds = {adaptation.kind for adaptation in world.adaptations}

    assert (AdaptationKind.PSEUDO_LABELS in kinds) is cells.tries_pseudo_labels


@ROWS
def test_people_teach_where_they_may(learned: LearnedState, mode: Mode, cells: Cells) -> None:
    world = World(learned, mode=mode).in_novel_drift()
    result = world.pipeline.apply_feedback([world.judge(sample) for sample in world.samples])
    expected = FeedbackOutcome.APPLIED if cells.learns_from_people else FeedbackOutcome.DEFERRED

    assert {answer.outcome for answer in result.acknowledgements} == {expected}


@ROWS
def test_the_daemon_keeps_to_its_mode_under_a_server(
    home: DeviceFolder, sphere: FakeSphere, mode: Mode, cells: Cells
) -> None:
    home.tables["device"] |= {"mode": mode.value}
    home.tables["source"] |= {"at_end": "wait"}
    home.serve_from(sphere.address)
    first = offer(sphere, home)
    with running(home):
        home.record("1", drifting())
        sphere.wait_for(lambda: len(samples_at(sphere)) >= 12 and sphere.drift_events)
        sphere.wait_for(lambda: running_at(sphere) == first)  # the first is always taken
        judge(sphere)
        sphere.wait_for(lambda: sphere.feedback and all(outcomes(sphere)))
        second = offer_second(sphere, home)
        if cells.takes_models:
            sphere.wait_for(lambda: running_at(sphere) == second)
        else:
            count = len(sphere.heartbeats)
            sphere.wait_for(lambda: len(sphere.heartbeats) >= count + 5)
            assert running_at(sphere) == first
            assert "rollout-2" not in sphere.deployments

    applied, deferred = feedback_pb2.FEEDBACK_OUTCOME_APPLIED, feedback_pb2.FEEDBACK_OUTCOME_DEFERRED
    assert set(outcomes(sphere)) == {applied if cells.learns_from_people else deferred}


def running_at(sphere: FakeSphere) -> str:
    """Which bundle the device last said that it runs."""
    return sphere.heartbeats[-1].status.running_model.bundle_sha256


def drifting() -> NDArray[np.uint8]:
    return np.concatenate([labelled_images(60, seed=11)[0], novel_images(60)])


def offer_second(sphere: FakeSphere, home: DeviceFolder) -> str:
    """Offers the same model under the next release counter."""
    home.bundle = home.folder / "second.bundle"
    digest = tiny_bundle(home.bundle, release_counter=2)
    offer(sphere, home)
    assert sphere.offer is not None
    sphere.offer.rollout_id = "rollout-2"
    return digest


def test_alone_and_autonomous_the_outbox_stays_within_its_bounds(
    home: DeviceFolder, caplog: pytest.LogCaptureFixture
) -> None:
    """Weeks without a server: drifts come and go, every minute has its metrics, and nothing ever leaves."""
    caplog.set_level(logging.ERROR)
    home.tables["device"] |= {"mode": "AUTONOMOUS"}
    home.tables["outbox"] = {"max_bytes": 1 << 16}
    home.install()
    device = home.open()
    assert device.connection is None
    images = np.concatenate([drifting() for _ in range(5)])
    show(device, frames_of(images, device))
    engine = device.models.engine
    assert engine is not None
    for _ in range(200):
        minute = device.vitals.close_minute(device.clock.now(), device.outbox.totals())
        device.outbox.put([device.packer.metrics(minute, engine.model)])

    totals = device.outbox.totals()
    assert totals.size_bytes <= 1 << 16
    assert totals.evicted_count > 0
    on_disk = sum(path.stat().st_size for path in (home.state / "outbox" / "packages").iterdir())
    assert on_disk == totals.size_bytes
    assert device.vitals.counters.drift_events > 0
