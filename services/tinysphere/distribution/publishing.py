"""Publishes bundles: received into a bounded temporary file, verified, stored, registered.

The order survives a crash anywhere: the version is reserved, the bytes are stored under their digest, the
registry numbers it, and only then the version can be found. Publishing again completes what was begun.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

from tinysphere.distribution.archive import bundle_invalid
from tinysphere.distribution.bundle import MAX_BUNDLE_BYTES, read_bundle
from tinysphere.distribution.keys import TrustedKeys
from tinysphere.domain.clock import Clock
from tinysphere.domain.models import Bundle, ModelVersion, model_version_of
from tinysphere.errors import ExhaustedError, InvalidRequestError
from tinysphere.storage.files import full_disk_translated
from tinysphere.storage.ports.blobs import Blobs
from tinysphere.storage.ports.distribution import ModelStore
from tinysphere.storage.ports.registry import ModelRegistry

READ_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """What a publisher says of the bundle before sending it."""

    model_name: str
    bundle_sha256: str
    size_bytes: int


class Publisher:
    """Takes bundles that a trusted key signed."""

    def __init__(
        self,
        store: ModelStore,
        blobs: Blobs,
        registry: ModelRegistry,
        trusted_keys: TrustedKeys,
        *,
        folder: Path,
        clock: Clock,
    ) -> None:
        """Keep the parts; ``folder`` takes the bytes until they are verified."""
        self._store = store
        self._blobs = blobs
        self._registry = registry
        self._trusted_keys = trusted_keys
        self._folder = folder
        self._clock = clock

    def publish(self, announced: Announcement, pieces: Iterator[bytes]) -> ModelVersion:
        """Publish a bundle; one that is registered is returned without reading ``pieces``.

        Raises:
            ExhaustedError: BUNDLE_TOO_LARGE; DISK_FULL.
            InvalidRequestError: DIGEST_MISMATCH, or BUNDLE_INVALID.
            ForbiddenError: BUNDLE_SIGNATURE, no trusted key signed it.
            UnavailableError: The registry or the database is away; publish again.
        """
        known = self._store.find_bundle(announced.model_name, announced.bundle_sha256)
        if known is not None and self._blobs.size(announced.bundle_sha256) is not None:
            return known
        if announced.size_bytes > MAX_BUNDLE_BYTES:
            raise ExhaustedError("BUNDLE_TOO_LARGE", f"a bundle has at most {MAX_BUNDLE_BYTES} bytes")
        self._folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=self._folder) as file:  # nameless, so that a crash leaves nothing behind
            with full_disk_translated():
                _receive(announced, pieces, file)
            return self._register(self._verified(announced, file), file)

    def _verified(self, announced: Announcement, file: BinaryIO) -> Bundle:
        bundle = read_bundle(file, announced.bundle_sha256, announced.size_bytes, self._trusted_keys.by_id())
        if bundle.model_name != announced.model_name:
            raise bundle_invalid(
                f"it was signed for model {bundle.model_name}, not for {announced.model_name}"
            )
        return bundle

    def _register(self, bundle: Bundle, file: BinaryIO) -> ModelVersion:
        self._store.reserve(model_version_of(bundle, 0, self._clock.now()))
        file.seek(0)
        pieces = iter(lambda: file.read(READ_BYTES), b"")
        self._blobs.put(pieces, sha256=bundle.sha256, size_bytes=bundle.size_bytes)
        version = self._registry.register(bundle)
        return self._store.activate(bundle.model_name, bundle.sha256, version)


def _receive(announced: Announcement, pieces: Iterator[bytes], file: BinaryIO) -> None:
    digest, size_bytes = hashlib.sha256(), 0
    for piece in pieces:
        size_bytes += len(piece)
        if size_bytes > announced.size_bytes:
            break
        digest.update(piece)
        file.write(piece)
    if size_bytes != announced.size_bytes or digest.hexdigest() != announced.bundle_sha256:
        raise InvalidRequestError(
            "DIGEST_MISMATCH",
            f"bundle: expected {announced.size_bytes} bytes of {announced.bundle_sha256}, got other ones",
        )
    file.flush()
