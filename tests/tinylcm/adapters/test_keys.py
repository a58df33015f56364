"""Keys are made once, readable by their owner, and known by the digest of their bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tinylcm.adapters.keys import generate_key_pair, key_id, load_private_key, load_trusted_keys
from tinylcm.errors import BundleError


def test_a_pair_signs_and_verifies(tmp_path: Path) -> None:
    name = generate_key_pair(tmp_path / "private.pem", tmp_path / "public.pem")
    private, trusted = (
        load_private_key(tmp_path / "private.pem"),
        load_trusted_keys([tmp_path / "public.pem"]),
    )

    raw = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    assert name == key_id(private.public_key()) == hashlib.sha256(raw).hexdigest()[:16]
    trusted[name].verify(private.sign(b"manifest"), b"manifest")
    assert (tmp_path / "private.pem").stat().st_mode & 0o777 == 0o600


def test_keys_are_never_overwritten(tmp_path: Path) -> None:
    generate_key_pair(tmp_path / "private.pem", tmp_path / "public.pem")
    before = (tmp_path / "private.pem").read_bytes()

    with pytest.raises(FileExistsError):
        generate_key_pair(tmp_path / "private.pem", tmp_path / "public.pem")
    assert (tmp_path / "private.pem").read_bytes() == before


def test_other_files_are_no_keys(tmp_path: Path) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "p256.pem").write_bytes(
        other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    (tmp_path / "p256.pub.pem").write_bytes(
        other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    (tmp_path / "text").write_text("no key")

    for name in ("p256.pem", "text", "missing"):
        with pytest.raises(BundleError, match=name):
            load_private_key(tmp_path / name)
    for name in ("p256.pub.pem", "text", "missing"):
        with pytest.raises(BundleError, match=name):
            load_trusted_keys([tmp_path / name])
