"""The Ed25519 keys whose bundles are trusted, read from PEM files each time they are needed.

Zero configuration: an operator drops ``*.pem`` files into the folder ``trusted_keys`` of the data directory.
Without any key every bundle is refused; there is no switch that lets unsigned ones in.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from tinysphere.errors import UnavailableError

KEY_ID_CHARACTERS = 16
FOLDER_NAME = "trusted_keys"


RETRY_AFTER_S = 60.0


class KeyFileError(UnavailableError):
    """A configured key cannot be used; an operator has to correct it."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__("TRUSTED_KEY_UNUSABLE", f"{path.name}: {message}", retry_after_s=RETRY_AFTER_S)


def key_id_of(key: Ed25519PublicKey) -> str:
    """First 16 hex digits of the SHA-256 of the raw public key."""
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:KEY_ID_CHARACTERS]


class TrustedKeys:
    """Keys in the configured files and in one folder; a key added or removed counts from the next publish."""

    def __init__(self, files: Iterable[Path], folder: Path) -> None:
        self._files = tuple(files)
        self._folder = folder

    def by_id(self) -> Mapping[str, Ed25519PublicKey]:
        """All trusted keys by their id.

        Raises:
            KeyFileError: A file is missing, unreadable or holds no Ed25519 public key.
        """
        keys = [read_public_key(path) for path in (*self._files, *sorted(self._folder.glob("*.pem")))]
        return {key_id_of(key): key for key in keys}


def read_public_key(path: Path) -> Ed25519PublicKey:
    """Read one PEM file.

    Raises:
        KeyFileError: As `TrustedKeys.by_id`.
    """
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise KeyFileError(path, "expected a readable PEM file with a public key") from error
    if not isinstance(key, Ed25519PublicKey):
        raise KeyFileError(path, f"expected an Ed25519 public key, got {type(key).__name__}")
    return key
