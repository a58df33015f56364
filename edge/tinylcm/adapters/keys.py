"""Ed25519 keys in PEM files: the private one signs bundles, devices pin the public ones."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from tinylcm.errors import BundleError

TrustedKeys = Mapping[str, Ed25519PublicKey]


def key_id(key: Ed25519PublicKey) -> str:
    """Names a key: the first 16 hex digits of the SHA-256 of its 32 raw bytes."""
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


def generate_key_pair(private_path: Path, public_path: Path) -> str:
    """Writes a new key pair, the private file readable by its owner only, and returns the key id.

    Raises:
        FileExistsError: One of the files is there already; keys are never overwritten.
    """
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for path, content, mode in ((private_path, private, 0o600), (public_path, public, 0o644)):
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
    return key_id(key.public_key())


def load_private_key(path: Path) -> Ed25519PrivateKey:
    """Reads an unencrypted PKCS#8 PEM file.

    Raises:
        BundleError: It holds no Ed25519 private key.
    """
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise BundleError(f"{path} is not a readable private key: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise BundleError(f"{path} holds a {type(key).__name__}; expected an Ed25519 private key")
    return key


def load_trusted_keys(paths: Iterable[Path]) -> TrustedKeys:
    """Reads public keys (PEM, SubjectPublicKeyInfo) by their ids.

    Raises:
        BundleError: A file holds no Ed25519 public key.
    """
    keys: dict[str, Ed25519PublicKey] = {}
    for path in paths:
        try:
            key = load_pem_public_key(path.read_bytes())
        except (OSError, ValueError) as error:
            raise BundleError(f"{path} is not a readable public key: {error}") from error
        if not isinstance(key, Ed25519PublicKey):
            raise BundleError(f"{path} holds a {type(key).__name__}; expected an Ed25519 public key")
        keys[key_id(key)] = key
    return keys
