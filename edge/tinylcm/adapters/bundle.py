"""A model on its way to devices: one signed file, the same bytes from the same inputs.

An uncompressed tar of five members in a fixed order; docs/bundle.md describes it byte by byte. Nothing of it is used
before the signature over the manifest and the digests in the manifest were checked, and no member is ever
extracted to disk, so that names in the archive have no power.
"""

import base64
import hashlib
import io
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from tinylcm.adapters.arrays import canonical_json, pack_arrays, parse_json, unpack_arrays
from tinylcm.adapters.files import write_durably
from tinylcm.adapters.keys import TrustedKeys, key_id
from tinylcm.adapters.manifest import FILE_NAMES, BundleFile, BundleManifest
from tinylcm.errors import BundleError, StateError
from tinylcm.ports import Arrays, Json

MANIFEST, SIGNATURE = "manifest.json", "signature.json"
MEMBER_NAMES = (MANIFEST, SIGNATURE, *FILE_NAMES)
MAX_MANIFEST_BYTES = 1 << 20
MAX_BUNDLE_BYTES = 256 << 20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bundle:
    """A verified bundle: `meta` and `arrays` are the initial learned state."""

    manifest: BundleManifest
    bundle_sha256: str
    signing_key_id: str
    extractor: bytes
    meta: Json
    arrays: dict[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What the maker of a bundle decides; the rest is measured. Fields as in `BundleManifest`."""

    model_name: str
    release_counter: int
    class_names: Sequence[str]
    input_shape: Sequence[int]
    input_dtype: str
    runtime: str
    platforms: Sequence[str]
    metrics: Mapping[str, float]

    @classmethod
    def anew(cls, manifest: BundleManifest, release_counter: int) -> Self:
        """Returns the release that ``manifest`` describes, under another counter."""
        return cls(
            model_name=manifest.model_name,
            release_counter=release_counter,
            class_names=manifest.class_names,
            input_shape=manifest.input_shape,
            input_dtype=manifest.input_dtype,
            runtime=manifest.runtime,
            platforms=manifest.platforms,
            metrics=manifest.metrics,
        )


def build_bundle(
    path: Path, release: Release, *, extractor: bytes, meta: Json, arrays: Arrays, key: Ed25519PrivateKey
) -> str:
    """Writes a signed bundle and returns the SHA-256 of the file.

    Raises:
        BundleError: A field of the release is out of its range.
    """
    files = dict(
        zip(FILE_NAMES, (extractor, canonical_json(meta), pack_arrays(arrays)), strict=True),
    )
    manifest = canonical_json(_manifest(release, files).to_json())
    signature = canonical_json(
        {"key_id": key_id(key.public_key()), "signature": base64.b64encode(key.sign(manifest)).decode()}
    )
    content = _tar({MANIFEST: manifest, SIGNATURE: signature, **files})
    write_durably(path, [content])
    return hashlib.sha256(content).hexdigest()


def _manifest(release: Release, files: Mapping[str, bytes]) -> BundleManifest:
    manifest = BundleManifest(
        model_name=release.model_name,
        release_counter=release.release_counter,
        feature_space=hashlib.sha256(files["extractor.tflite"]).hexdigest(),
        class_names=tuple(release.class_names),
        input_shape=tuple(release.input_shape),
        input_dtype=release.input_dtype,
        runtime=release.runtime,
        platforms=tuple(release.platforms),
        metrics=dict(release.metrics),
        files={name: _describe(content) for name, content in files.items()},
    )
    return BundleManifest.from_json(manifest.to_json())  # what no device would accept is not built


def _describe(content: bytes) -> BundleFile:
    return BundleFile(sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))


def _tar(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)  # owner, group and time stay 0, the mode 0644
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def read_bundle(path: Path, trusted_keys: TrustedKeys) -> Bundle:
    """Reads a bundle and checks its signature and every digest.

    Raises:
        BundleError: It is malformed, damaged, or not signed by one of ``trusted_keys``.
    """
    content = _read_file(path)
    members = _read_members(content)
    signing_key_id = _check_signature(members[MANIFEST], members[SIGNATURE], trusted_keys)
    manifest = BundleManifest.from_json(_json(MANIFEST, members[MANIFEST]))
    for name, file in manifest.files.items():
        if _describe(members[name]) != file:
            raise BundleError(f"{name} is not the file the manifest describes")
    if manifest.feature_space != manifest.files["extractor.tflite"].sha256:
        raise BundleError("manifest: feature_space is not the SHA-256 of extractor.tflite")
    if _tar(members) != content:  # headers and padding, which nobody signs, name the file by its digest too
        raise BundleError("a byte between its members is not what the format puts there")
    return Bundle(
        manifest=manifest,
        bundle_sha256=hashlib.sha256(content).hexdigest(),
        signing_key_id=signing_key_id,
        extractor=members["extractor.tflite"],
        meta=_json("state.json", members["state.json"]),
        arrays=_arrays(members["state.npz"]),
    )


def read_manifest_unchecked(path: Path) -> Json:
    """Returns the manifest's JSON, for people to look at; nothing of it is checked.

    Raises:
        BundleError: The file is no bundle.
    """
    return _json(MANIFEST, _read_members(_read_file(path))[MANIFEST])


def _read_file(path: Path) -> bytes:
    try:
        size_bytes = path.stat().st_size
        if size_bytes > MAX_BUNDLE_BYTES:
            raise BundleError(f"bundle has {size_bytes} bytes; at most {MAX_BUNDLE_BYTES} are allowed")
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error}") from error


def _read_members(content: bytes) -> dict[str, bytes]:
    members: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            for member, expected_name in _walk(archive):
                if member.name != expected_name or not member.isreg():
                    raise BundleError(f"member {member.name[:80]!r} stands where {expected_name} belongs")
                stream = archive.extractfile(member)
                members[expected_name] = stream.read() if stream else b""
    except (tarfile.TarError, EOFError, OSError) as error:
        raise BundleError(f"not a bundle: {error}") from error
    if len(members[MANIFEST]) > MAX_MANIFEST_BYTES:
        raise BundleError(f"manifest has more than {MAX_MANIFEST_BYTES} bytes")
    return members


def _walk(archive: tarfile.TarFile) -> Iterator[tuple[tarfile.TarInfo, str]]:
    members = archive.getmembers()
    if len(members) != len(MEMBER_NAMES):
        raise BundleError(f"a bundle has {len(MEMBER_NAMES)} members, this file {len(members)}")
    return zip(members, MEMBER_NAMES, strict=True)


def _check_signature(manifest: bytes, signature_file: bytes, trusted_keys: TrustedKeys) -> str:
    parts = _json(SIGNATURE, signature_file)
    signing_key_id, encoded = parts.get("key_id"), parts.get("signature")
    key = trusted_keys.get(signing_key_id) if isinstance(signing_key_id, str) else None
    if key is None or not isinstance(signing_key_id, str):
        known = ", ".join(sorted(trusted_keys)) or "none"
        raise BundleError(
            f"signed by key {signing_key_id!r:.40}, which is not trusted here (trusted: {known})"
        )
    signature = b""
    with suppress(ValueError, TypeError):
        signature = base64.b64decode(encoded or "", validate=True)
    try:
        key.verify(signature, manifest)
    except InvalidSignature as error:
        raise BundleError(f"the signature by key {signing_key_id} does not fit the manifest") from error
    return signing_key_id


def _json(name: str, content: bytes) -> Json:
    try:
        return parse_json(content)
    except StateError as error:
        raise BundleError(f"{name}: {error}") from error


def _arrays(content: bytes) -> dict[str, NDArray[np.generic]]:
    try:
        return unpack_arrays(content)
    except StateError as error:
        raise BundleError(f"state.npz: {error}") from error
