"""A device never stays without a model that works, and says what became of each bundle."""

from __future__ import annotations

import logging
from pathlib import Path
from platform import machine

import pytest

from tests.tinylcm.builders import KEY, TRUSTED, labelled_images, tiny_release
from tests.tinylcm.bundles import tiny_bundle
from tests.tinylcm.daemon.conftest import DeviceFolder, frames_of, show
from tinylcm.adapters.bundle import build_bundle, read_bundle
from tinylcm.adapters.slots import BundleSlots
from tinylcm.daemon.build import Device
from tinylcm.daemon.inbox import ActivateModel, ChangeMode
from tinylcm.daemon.layout import Layout, open_slots
from tinylcm.daemon.models import MAX_TRIAL_STARTS
from tinylcm.records import Mode
from tinylcm.sync.deployments import DeploymentRecord
from tools.models.tiny_tflite import float_model, random_layers

IMAGES = labelled_images(200, seed=11)[0]


def stage(device: Device, bundle: Path) -> str:
    """Puts a bundle into the idle slot, as the sync thread does; returns its SHA-256."""
    digest = read_bundle(bundle, TRUSTED).bundle_sha256
    device.slots.partial_file(digest).write_bytes(bundle.read_bytes())
    device.deployments.begin("rollout-1", digest, 2)
    device.slots.stage(digest, version=2)
    device.deployments.advance("STAGED")
    return digest


def deployment(device: Device) -> DeploymentRecord:
    record = device.deployments.read()
    assert record is not None
    return record


def running(device: Device) -> str | None:
    engine = device.models.engine
    return None if engine is None else engine.model.bundle_sha256


def activate(device: Device) -> None:
    assert device.inbox.put_order(ActivateModel())
    device.inference.step()


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another release, with another extractor."""
    path = tmp_path_factory.mktemp("second") / "tiny-2.bundle"
    tiny_bundle(path, seed=5, release_counter=2)
    return path


@pytest.fixture
def misfit(tmp_path: Path, tiny_bundle_file: Path) -> Path:
    """A signed bundle that no TFLite engine takes."""
    good = read_bundle(tiny_bundle_file, TRUSTED)
    path = tmp_path / "misfit.bundle"
    release = tiny_release(release_counter=2)
    build_bundle(path, release, extractor=b"no model", meta=good.meta, arrays=good.arrays, key=KEY)
    return path


def test_a_device_without_a_bundle_waits_for_its_first(home: DeviceFolder) -> None:
    device = home.open()
    assert device.models.engine is None
    device.inbox.put_frame(next(frames_of(IMAGES, device)))
    device.inference.step()
    assert device.vitals.report().prediction_count == 0
    assert device.vitals.report().running_model is None

    digest = stage(device, home.bundle)
    activate(device)
    device.inference.step()
    assert running(device) == digest
    assert device.vitals.report().prediction_count == 1, "the frame that waited"
    assert deployment(device).state == "TRIAL"


def test_a_trial_ends_with_enough_predictions(home: DeviceFolder, second: Path) -> None:
    home.install()
    device = home.open()
    show(device, frames_of(IMAGES[:30], device))
    stage(device, second)
    activate(device)
    frames = frames_of(IMAGES, device, first_index=30)
    show(device, (frame for _, frame in zip(range(19), frames, strict=False)))
    assert deployment(device).state == "TRIAL"
    show(device, (frame for _, frame in zip(range(1), frames, strict=False)))

    assert deployment(device).state == "COMMITTED"
    assert not open_slots(home.settings()).on_trial
    engine = device.models.engine
    assert engine is not None
    assert (engine.model.model_name, engine.model.version) == ("tiny", 2)
    assert home.open().first_index >= 30, "the stream goes on where the first model left it"


def test_a_staged_bundle_is_taken_up_after_a_restart(home: DeviceFolder, second: Path) -> None:
    home.install()
    device = home.open()
    show(device, frames_of(IMAGES[:30], device))
    stage(device, second)
    device = home.open()

    assert running(device) == read_bundle(second, TRUSTED).bundle_sha256
    assert deployment(device).state == "TRIAL"
    assert device.first_index == 25


def test_a_bundle_the_engine_refuses_fails_and_changes_nothing(
    home: DeviceFolder, misfit: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    home.install()
    device = home.open()
    before = running(device)
    stage(device, misfit)
    activate(device)

    assert running(device) == before
    assert deployment(device).state == "FAILED"
    assert "refuses the model" in deployment(device).reason
    show(device, frames_of(IMAGES[:5], device))
    assert device.vitals.report().prediction_count == 5
    assert running(home.open()) == before


def test_a_bundle_that_refuses_every_frame_is_left_behind(
    home: DeviceFolder, tmp_path: Path, tiny_bundle_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    good = read_bundle(tiny_bundle_file, TRUSTED)
    wide = tmp_path / "wide.bundle"
    extractor = float_model(random_layers((25, 6), seed=1), input_shape=(1, 5, 5, 1))
    build_bundle(
        wide,
        tiny_release(release_counter=2, input_shape=(5, 5, 1)),
        extractor=extractor,
        meta=good.meta,
        arrays=good.arrays,
        key=KEY,
    )
    home.install()
    device = home.open()
    show(device, frames_of(IMAGES[:30], device))
    stage(device, wide)
    activate(device)
    show(device, frames_of(IMAGES[:60], device, first_index=30))

    assert running(device) == good.bundle_sha256
    assert deployment(device).state == "ROLLED_BACK"
    assert device.vitals.report().prediction_count == 30 + 10
    assert running(home.open()) == good.bundle_sha256


def test_a_bundle_that_breaks_on_trial_is_left_behind(
    home: DeviceFolder, second: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    home.install()
    device = home.open()
    before = running(device)
    stage(device, second)
    activate(device)
    engine = device.models.engine
    assert engine is not None
    engine.pipeline._transactions.monitor = None  # type: ignore[assignment]  # broken as only a defect can break it
    show(device, frames_of(IMAGES[:5], device))

    assert running(device) == before
    assert deployment(device).state == "ROLLED_BACK"
    assert "broke on trial" in deployment(device).reason
    assert device.vitals.report().prediction_count == 4


def test_a_committed_model_that_breaks_ends_the_device(home: DeviceFolder) -> None:
    home.install()
    device = home.open()
    engine = device.models.engine
    assert engine is not None
    engine.pipeline._transactions.monitor = None  # type: ignore[assignment]  # broken as only a defect can break it

    with pytest.raises(AttributeError):
        show(device, frames_of(IMAGES[:1], device))


def test_a_bundle_that_kills_the_device_is_left_behind_after_some_starts(
    home: DeviceFolder, second: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    home.install()
    device = home.open()
    first = running(device)
    stage(device, second)
    activate(device)
    for _ in range(MAX_TRIAL_STARTS):
        device = home.open()
        assert running(device) == read_bundle(second, TRUSTED).bundle_sha256
    device = home.open()

    assert running(device) == first
    assert deployment(device).state == "ROLLED_BACK"
    assert not open_slots(home.settings()).on_trial


def test_a_damaged_bundle_gives_way_to_the_other(
    home: DeviceFolder, second: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    home.install()
    device = home.open()
    first = running(device)
    stage(device, second)
    activate(device)
    show(device, frames_of(IMAGES[:30], device))
    path = home.state / "slots" / "active" / "model.bundle"
    path.write_bytes(path.read_bytes()[:-20_000])

    assert running(home.open()) == first


def test_a_device_with_nothing_whole_waits_for_a_model(
    home: DeviceFolder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    home.install()
    path = home.state / "slots" / "active" / "model.bundle"
    path.write_bytes(b"rotten")

    assert home.open().models.engine is None


def test_the_mode_changes_without_losing_anything(home: DeviceFolder) -> None:
    home.install()
    device = home.open()
    show(device, frames_of(IMAGES[:10], device))
    device.inbox.put_order(ChangeMode(mode=Mode.MONITORING_ONLY))
    device.inference.step()
    engine = device.models.engine
    assert engine is not None
    assert engine.pipeline.mode is Mode.MONITORING_ONLY

    show(device, frames_of(IMAGES[:20], device, first_index=10))
    assert device.vitals.report().prediction_count == 20


def test_snapshots_of_bundles_that_are_gone_are_forgotten(home: DeviceFolder, second: Path) -> None:
    home.install()
    device = home.open()
    stale = home.state / "snapshots" / "0123456789abcdef"
    stale.mkdir(parents=True)
    show(device, frames_of(IMAGES[:30], device))
    stage(device, second)
    activate(device)

    kept = {path.name for path in (home.state / "snapshots").iterdir()}
    assert kept == {read_bundle(path, TRUSTED).bundle_sha256[:16] for path in (home.bundle, second)}


def test_a_bundle_of_another_engine_does_not_answer(
    home: DeviceFolder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As after an upgrade of the system that brought another engine: what was installed was right then."""
    foreign = tmp_path / "foreign.bundle"
    tiny_bundle(foreign, runtime="other-engine 1.0")
    slots = BundleSlots(
        Layout(data_dir=home.state).slots, trusted_keys=TRUSTED, runtime="other-engine 2.0", machine=machine()
    )
    slots.install(foreign)
    with caplog.at_level(logging.ERROR):
        device = home.open()

    assert device.models.engine is None
    assert "made with other-engine 1.0; this device runs" in caplog.text
    home.close()
    home.install()
    assert running(home.open()) == home.bundle_sha256()
