"""Publishing over real stores: verified before anything is kept, completed after any crash."""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tinysphere.distribution.builders import (
    KEY,
    KEY_ID,
    OTHER_KEY,
    START,
    HandClock,
    device_bundle,
    manifest,
    public_pem,
    signed_members,
    tar_of,
)
from tinysphere.distribution.bundle import MAX_BUNDLE_BYTES, read_bundle
from tinysphere.distribution.catalogue import Catalogue
from tinysphere.distribution.keys import TrustedKeys
from tinysphere.distribution.publishing import Announcement, Publisher
from tinysphere.domain.models import Bundle, ModelVersion, model_version_of
from tinysphere.errors import ExhaustedError, ForbiddenError, InvalidRequestError, UnavailableError
from tinysphere.storage.blobs_files import FileBlobs
from tinysphere.storage.registry_mlflow import MlflowRegistry
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.models import SqlModelStore


class World:
    """Everything publishing stands on, for real."""

    def __init__(self, database: Database, folder: Path, mlflow_template: Path) -> None:
        shutil.copy(mlflow_template, folder / "mlflow.db")
        self.folder = folder
        self.store = SqlModelStore(database)
        self.blobs = FileBlobs(folder / "blobs")
        self.registry = MlflowRegistry(f"sqlite:///{folder}/mlflow.db", folder / "artifacts")
        self.keys = folder / "trusted_keys"
        self.keys.mkdir()
        (self.keys / "release.pem").write_bytes(public_pem(KEY))

    def publisher(self, registry: MlflowRegistry | None = None) -> Publisher:
        return Publisher(
            self.store,
            self.blobs,
            registry or self.registry,
            TrustedKeys([], self.keys),
            folder=self.folder / "publishing",
            clock=HandClock(),
        )

    def publish(self, content: bytes, registry: MlflowRegistry | None = None) -> ModelVersion:
        return self.publisher(registry).publish(announced(content), iter([content]))

    def broken_registry(self) -> MlflowRegistry:
        (self.folder / "broken.db").write_bytes(b"no database" * 1000)
        return MlflowRegistry(f"sqlite:///{self.folder}/broken.db", self.folder / "artifacts")

    def verified(self, content: bytes, folder: Path) -> Bundle:
        (folder / "verified").write_bytes(content)
        with (folder / "verified").open("rb") as file:
            trusted = TrustedKeys([], self.keys).by_id()
            return read_bundle(file, hashlib.sha256(content).hexdigest(), len(content), trusted)


@pytest.fixture
def world(database: Database, tmp_path: Path, mlflow_template: Path) -> World:
    return World(database, tmp_path, mlflow_template)


def announced(content: bytes, **changes: object) -> Announcement:
    facts: dict[str, object] = {
        "model_name": "fashion",
        "bundle_sha256": hashlib.sha256(content).hexdigest(),
        "size_bytes": len(content),
        **changes,
    }
    return Announcement(**facts)  # type: ignore[arg-type]


class NeverRead:
    """Pieces of a bundle that nobody may ask for."""

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        raise AssertionError("a known bundle is not received again")


def test_a_published_bundle_is_stored_and_registered(world: World, tmp_path: Path) -> None:
    content = device_bundle(tmp_path, release_counter=4)
    version = world.publish(content)
    assert (version.model.model_name, version.model.version) == ("fashion", 1)
    assert (version.release_counter, version.signing_key_id) == (4, KEY_ID)
    assert version.publish_time == START
    assert b"".join(world.blobs.open(version.model.bundle_sha256)) == content
    assert world.registry.aliases("fashion") == {"candidate": 1}
    shown = Catalogue(world.store, world.registry).version("fashion", None)
    assert shown.aliases == ("candidate",)


def test_small_pieces_make_the_same_bundle(world: World, tmp_path: Path) -> None:
    content = device_bundle(tmp_path)
    pieces = (content[start : start + 1000] for start in range(0, len(content), 1000))
    version = world.publisher().publish(announced(content), pieces)
    assert b"".join(world.blobs.open(version.model.bundle_sha256)) == content


def test_publishing_again_returns_what_is_registered_unread(world: World, tmp_path: Path) -> None:
    content = device_bundle(tmp_path)
    first = world.publish(content)
    assert world.publisher().publish(announced(content), NeverRead()) == first


def test_versions_count_up(world: World, tmp_path: Path) -> None:
    versions = [world.publish(device_bundle(tmp_path, release_counter=number)) for number in (1, 2, 3)]
    assert [version.model.version for version in versions] == [1, 2, 3]
    assert world.registry.aliases("fashion") == {"candidate": 3}


def test_a_crash_between_blob_and_registry_is_completed_by_publishing_again(
    world: World, tmp_path: Path
) -> None:
    content = device_bundle(tmp_path)
    with pytest.raises(UnavailableError):
        world.publish(content, world.broken_registry())
    sha256 = hashlib.sha256(content).hexdigest()
    assert world.blobs.size(sha256) == len(content)
    assert world.store.find_version("fashion", None) is None
    assert world.publish(content).model.version == 1


def test_a_crash_between_registry_and_table_is_completed_by_publishing_again(
    world: World, tmp_path: Path
) -> None:
    content = device_bundle(tmp_path)
    bundle = world.verified(content, tmp_path)
    world.store.reserve(model_version_of(bundle, 0, START))
    assert world.registry.register(bundle) == 1
    assert world.store.find_version("fashion", None) is None
    assert world.publish(content).model.version == 1


def test_a_lost_blob_comes_back_by_publishing_again(world: World, tmp_path: Path) -> None:
    content = device_bundle(tmp_path)
    first = world.publish(content)
    world.blobs.delete(first.model.bundle_sha256)
    assert world.publish(content) == first
    assert world.blobs.size(first.model.bundle_sha256) == len(content)


def refuse(world: World, content: bytes, reason: str, **changes: object) -> None:
    expected = (InvalidRequestError, ForbiddenError, ExhaustedError)
    with pytest.raises(expected) as caught:
        world.publisher().publish(announced(content, **changes), iter([content]))
    assert caught.value.reason == reason
    assert world.store.latest_versions(after=None, limit=9) == []
    assert [path for path in (tmp for tmp in (world.folder / "blobs").rglob("*")) if path.is_file()] == []
    assert list((world.folder / "publishing").glob("*")) == []


def test_what_is_refused_leaves_nothing_behind(world: World, tmp_path: Path) -> None:
    content = device_bundle(tmp_path)
    refuse(world, content, "DIGEST_MISMATCH", bundle_sha256="0" * 64)
    refuse(world, content, "DIGEST_MISMATCH", size_bytes=len(content) + 1)
    refuse(world, content, "DIGEST_MISMATCH", size_bytes=len(content) - 1)
    refuse(world, content, "BUNDLE_TOO_LARGE", size_bytes=MAX_BUNDLE_BYTES + 1)
    refuse(world, b"not a bundle" * 500, "BUNDLE_INVALID")
    refuse(world, tar_of(signed_members(key=OTHER_KEY)), "BUNDLE_SIGNATURE")
    refuse(world, content, "BUNDLE_INVALID", model_name="gestures")
    refuse(world, tar_of(signed_members(manifest(metrics=None))), "BUNDLE_INVALID")


def test_a_key_counts_from_the_next_publish_on(world: World) -> None:
    content = tar_of(signed_members(key=OTHER_KEY))
    refuse(world, content, "BUNDLE_SIGNATURE")
    (world.keys / "other.pem").write_bytes(public_pem(OTHER_KEY))
    assert world.publish(content).model.version == 1
    for file in world.keys.glob("*.pem"):
        file.unlink()
    with pytest.raises(ForbiddenError):
        world.publish(tar_of(signed_members(manifest(release_counter=9))))
