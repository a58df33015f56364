"""Verifies a bundle file and reads what its signed manifest says. The format: docs/bundle.md.

Order matters: the container is walked, the signature over the manifest's bytes checked, and only then is the
manifest parsed and every file compared with it. No pickle, no extraction.
"""

import base64
from collections.abc import Mapping
from typing import BinaryIO

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tinysphere.distribution.archive import Member, bundle_invalid, digest_of, read_member, read_members
from tinysphere.distribution.manifest import Manifest, parse_object, read_manifest, text_in
from tinysphere.domain.models import Bundle
from tinysphere.errors import ForbiddenError

MAX_BUNDLE_BYTES = 256 * 1024 * 1024

_MANIFEST = "manifest.json"
_SIGNATURE = "signature.json"
_EXTRACTOR = "extractor.tflite"
_CONTENT = (_EXTRACTOR, "state.json", "state.npz")
_MAX_MANIFEST_BYTES = 1024 * 1024
_MAX_SIGNATURE_BYTES = 4 * 1024


def read_bundle(
    file: BinaryIO, sha256: str, size_bytes: int, trusted: Mapping[str, Ed25519PublicKey]
) -> Bundle:
    """Verify a bundle completely and return what it says of itself.

    Args:
        file: The bundle, seekable.
        sha256: Digest of the file, already compared.
        size_bytes: Size of the file, already compared.
        trusted: Keys allowed to sign, by key id.

    Raises:
        InvalidRequestError: BUNDLE_INVALID, not a bundle, or its manifest contradicts its files.
        ForbiddenError: BUNDLE_SIGNATURE, no trusted key signed it.
    """
    members = read_members(file, size_bytes)
    if tuple(members) != (_MANIFEST, _SIGNATURE, *_CONTENT):
        raise bundle_invalid(f"expected files {_MANIFEST}, {_SIGNATURE}, {', '.join(_CONTENT)} in this order")
    content = read_member(file, members[_MANIFEST], _MAX_MANIFEST_BYTES)
    signature = read_member(file, members[_SIGNATURE], _MAX_SIGNATURE_BYTES)
    key_id = _verify(content, signature, trusted)
    manifest = read_manifest(content)
    _compare_files(file, members, manifest)
    return Bundle(
        sha256=sha256,
        size_bytes=size_bytes,
        model_name=manifest.model_name,
        release_counter=manifest.release_counter,
        feature_space=manifest.feature_space,
        signing_key_id=key_id,
        class_names=manifest.class_names,
        input=manifest.input,
        runtime=manifest.runtime,
        platforms=manifest.platforms,
        metrics=manifest.metrics,
        manifest=content,
    )


def _verify(manifest: bytes, signature: bytes, trusted: Mapping[str, Ed25519PublicKey]) -> str:
    stated = parse_object(_SIGNATURE, signature)
    key_id = text_in(stated, "key_id")
    signed = _base64(text_in(stated, "signature"))
    key = trusted.get(key_id)
    if key is None:
        hint = "" if trusted else "; none is: put the signer's public key into trusted_keys"
        raise _not_trusted(f"key {key_id!r:.40} is not trusted here{hint}")
    try:
        key.verify(signed, manifest)
    except InvalidSignature as error:
        raise _not_trusted(f"the manifest is not what key {key_id} signed") from error
    return key_id


def _base64(text: str) -> bytes:
    """Decode strictly: one signature has one spelling, so that one bundle has one digest."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except ValueError:
        decoded = b""
    if base64.b64encode(decoded).decode() != text:
        raise bundle_invalid(f"{_SIGNATURE}: expected a base64 signature")
    return decoded


def _not_trusted(message: str) -> ForbiddenError:
    return ForbiddenError("BUNDLE_SIGNATURE", f"bundle: {message}")


def _compare_files(file: BinaryIO, members: Mapping[str, Member], manifest: Manifest) -> None:
    if set(manifest.files) != set(_CONTENT):
        raise bundle_invalid(f"files: expected {', '.join(_CONTENT)}")
    for name, stated in manifest.files.items():
        if stated != (members[name].size_bytes, digest_of(file, members[name])):
            raise bundle_invalid(f"{name} is not the file that was signed")
    if manifest.feature_space != manifest.files[_EXTRACTOR][1]:
        raise bundle_invalid("feature_space is not the digest of the extractor")
