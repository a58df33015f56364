"""There is always a model to go back to, and none that was not verified ever answers."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.tinylcm.builders import KEY, TRUSTED, tiny_release
from tinylcm.adapters.bundle import build_bundle
from tinylcm.adapters.slots import BundleSlots
from tinylcm.errors import BundleError

RUNTIME = "ai-edge-litert 2.3.0"


def open_slots(tmp_path: Path) -> BundleSlots:
    return BundleSlots(tmp_path / "slots", trusted_keys=TRUSTED, runtime=RUNTIME, machine="aarch64")


@pytest.fixture
def slots(tmp_path: Path) -> BundleSlots:
    return open_slots(tmp_path)


def build(path: Path, *, counter: int = 1, key: Ed25519PrivateKey = KEY, **changes: object) -> str:
    release = tiny_release(**({"release_counter": counter, "runtime": RUNTIME} | changes))
    return build_bundle(path, release, extractor=b"model %d" % counter, meta={}, arrays={}, key=key)


def download(slots: BundleSlots, path: Path, digest: str) -> None:
    slots.partial_file(digest).write_bytes(path.read_bytes())


def stage(slots: BundleSlots, tmp_path: Path, **changes: object) -> str:
    path = tmp_path / "offered.bundle"
    digest = build(path, **changes)  # type: ignore[arg-type]  # checked by the bundle itself
    download(slots, path, digest)
    slots.stage(digest, version=7)
    return digest


def active_digest(slots: BundleSlots) -> str | None:
    bundle = slots.active()
    return None if bundle is None else bundle.bundle_sha256


def test_a_new_device_has_no_model(slots: BundleSlots) -> None:
    assert slots.active() is None
    assert slots.idle() is None
    with pytest.raises(BundleError):
        slots.switch()


def test_staged_switched_committed(slots: BundleSlots, tmp_path: Path) -> None:
    digest = stage(slots, tmp_path)
    assert slots.active() is None

    assert slots.switch().bundle_sha256 == digest
    assert slots.on_trial
    slots.commit()

    reopened = open_slots(tmp_path)
    assert active_digest(reopened) == digest
    assert not reopened.on_trial
    assert reopened.version_of(digest) == 7
    assert reopened.version_of("ff" * 32) == 0


def test_the_way_back(slots: BundleSlots, tmp_path: Path) -> None:
    first = stage(slots, tmp_path, counter=1)
    slots.switch()
    slots.commit()
    second = stage(slots, tmp_path, counter=2)
    slots.switch()
    assert active_digest(open_slots(tmp_path)) == second

    returned = open_slots(tmp_path).roll_back()
    assert returned is not None
    assert returned.bundle_sha256 == first == active_digest(open_slots(tmp_path))
    assert not open_slots(tmp_path).on_trial


def test_starts_on_trial_are_counted_durably(slots: BundleSlots, tmp_path: Path) -> None:
    stage(slots, tmp_path)
    slots.switch()

    assert [open_slots(tmp_path).count_start() for _ in range(3)] == [1, 2, 3]
    slots = open_slots(tmp_path)
    slots.commit()
    assert slots.start_count == 0


def test_a_lower_release_counter_is_refused_also_after_a_restart(slots: BundleSlots, tmp_path: Path) -> None:
    stage(slots, tmp_path, counter=5)

    with pytest.raises(BundleError, match="counter 4 is lower than 5"):
        stage(open_slots(tmp_path), tmp_path, counter=4)
    stage(open_slots(tmp_path), tmp_path, counter=5)
    stage(open_slots(tmp_path), tmp_path, counter=1, model_name="other")


def test_the_least_counter_survives_a_damaged_state_file(
    slots: BundleSlots, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stage(slots, tmp_path, counter=5)
    (tmp_path / "slots" / "state.json").write_bytes(b"\0\0\0")
    caplog.set_level(logging.CRITICAL)

    with pytest.raises(BundleError, match="lower than 5"):
        stage(open_slots(tmp_path), tmp_path, counter=4)


def test_a_changed_digit_in_the_state_file_is_noticed(
    slots: BundleSlots, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stage(slots, tmp_path, counter=5)
    path = tmp_path / "slots" / "state.json"
    path.write_bytes(path.read_bytes().replace(b":5}", b":1}"))
    with caplog.at_level(logging.ERROR), pytest.raises(BundleError, match="lower than 5"):
        stage(open_slots(tmp_path), tmp_path, counter=4)

    assert "state.json is damaged" in caplog.text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"platforms": ["x86_64"]}, "this machine is aarch64"),
        ({"runtime": "tflite-runtime 2.14.0"}, "this device runs ai-edge-litert"),
        ({"key": Ed25519PrivateKey.generate()}, "not trusted"),
    ],
)
def test_what_is_not_meant_for_this_device_is_refused(
    slots: BundleSlots, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(BundleError, match=message):
        stage(slots, tmp_path, **changes)
    assert slots.idle() is None
    assert not list((tmp_path / "slots").glob("*.download"))


def test_other_bytes_than_offered_are_refused(slots: BundleSlots, tmp_path: Path) -> None:
    path = tmp_path / "other.bundle"
    build(path)
    download(slots, path, "ab" * 32)

    with pytest.raises(BundleError, match="expected abab"):
        slots.stage("ab" * 32, version=1)


def test_a_platform_among_those_named_is_accepted(slots: BundleSlots, tmp_path: Path) -> None:
    stage(slots, tmp_path, platforms=["x86_64", "aarch64"], runtime="ai-edge-litert 9.0")
    assert slots.idle() is not None


def test_a_damaged_bundle_is_not_used(
    slots: BundleSlots, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = stage(slots, tmp_path, counter=1)
    slots.switch()
    slots.commit()
    stage(slots, tmp_path, counter=2)
    slots.switch()
    path = tmp_path / "slots" / "b" / "model.bundle"
    content = bytearray(path.read_bytes())
    content[600] ^= 4
    path.write_bytes(content)
    caplog.set_level(logging.CRITICAL)

    assert slots.active() is None
    returned = slots.roll_back()
    assert returned is not None
    assert returned.bundle_sha256 == first


def test_a_download_of_another_bundle_is_forgotten(slots: BundleSlots) -> None:
    slots.partial_file("aa" * 32).write_bytes(b"half")
    assert slots.partial_file("aa" * 32).read_bytes() == b"half"

    assert not slots.partial_file("bb" * 32).exists()
    assert not slots.partial_file("aa" * 32).exists()


def test_a_bundle_installed_by_hand_is_committed_at_once(slots: BundleSlots, tmp_path: Path) -> None:
    path = tmp_path / "given.bundle"
    digest = build(path)

    assert slots.install(path).bundle_sha256 == digest
    assert active_digest(open_slots(tmp_path)) == digest
    assert not slots.on_trial
    assert slots.version_of(digest) == 0


def test_a_crash_between_trial_note_and_switch_changes_nothing(slots: BundleSlots, tmp_path: Path) -> None:
    first = stage(slots, tmp_path, counter=1)
    slots.switch()
    slots.commit()
    stage(slots, tmp_path, counter=2)
    link = tmp_path / "slots" / "active"
    slots.switch()
    link.unlink()
    link.symlink_to("a")  # the note that b is on trial is there, the rename was lost

    reopened = open_slots(tmp_path)
    assert active_digest(reopened) == first
    assert not reopened.on_trial
