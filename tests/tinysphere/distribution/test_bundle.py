"""Bundles are read completely verified, or refused with the reason."""

import base64
import hashlib
import io
import json
import random
import struct
import tarfile
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.tinysphere.distribution.builders import (
    CONTENT,
    KEY,
    KEY_ID,
    OTHER_KEY,
    TRUSTED,
    described,
    device_bundle,
    manifest,
    public_pem,
    signed_members,
    tar_of,
)
from tinysphere.distribution.bundle import read_bundle
from tinysphere.distribution.keys import KeyFileError, TrustedKeys
from tinysphere.domain.models import Bundle, InputTensor
from tinysphere.errors import ForbiddenError, InvalidRequestError


def read(content: bytes, trusted: Any = TRUSTED) -> Bundle:
    return read_bundle(io.BytesIO(content), hashlib.sha256(content).hexdigest(), len(content), trusted)


def refuse(content: bytes) -> str:
    with pytest.raises(InvalidRequestError) as caught:
        read(content)
    assert caught.value.reason == "BUNDLE_INVALID"
    return str(caught.value)


def test_a_bundle_the_device_built_is_read(tmp_path: Path) -> None:
    content = device_bundle(tmp_path, release_counter=7)
    bundle = read(content)
    extractor = Path(__file__).parents[3] / "models" / "fashion_cnn" / "model.tflite"
    assert bundle == Bundle(
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        model_name="fashion",
        release_counter=7,
        feature_space=hashlib.sha256(extractor.read_bytes()).hexdigest(),
        signing_key_id=KEY_ID,
        class_names=("shirt", "sneaker"),
        input=InputTensor(shape=(28, 28, 1), dtype="uint8"),
        runtime="ai-edge-litert 2.3.0",
        platforms=("x86_64", "aarch64"),
        metrics={"reference_accuracy": 0.875},
        manifest=bundle.manifest,
    )
    assert json.loads(bundle.manifest)["release_counter"] == 7


def test_any_flipped_byte_that_matters_is_noticed(tmp_path: Path) -> None:
    """1,000 places at random. Zero padding between files is checked by nobody but the digest of the file."""
    content = device_bundle(tmp_path)
    rng = random.Random(2026)
    refused = 0
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        spans = [(member.offset_data, member.offset_data + member.size) for member in archive]
    for _ in range(1000):
        start, end = rng.choice(spans)
        damaged = bytearray(content)
        damaged[rng.randrange(start, end)] ^= 1 << rng.randrange(8)
        try:
            read(bytes(damaged))
        except (InvalidRequestError, ForbiddenError):
            refused += 1
    assert refused == 1000


def test_a_truncated_bundle_is_refused_wherever_it_ends(tmp_path: Path) -> None:
    content = device_bundle(tmp_path)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        last = list(archive)[-1]
    end_bytes = last.offset_data + last.size
    rng = random.Random(7)
    for length in [0, 1, 511, 512, 513, *(rng.randrange(end_bytes) for _ in range(50)), end_bytes]:
        refuse(content[:length])


def test_a_signature_by_an_unknown_key_is_refused() -> None:
    with pytest.raises(ForbiddenError) as caught:
        read(tar_of(signed_members(key=OTHER_KEY)))
    assert caught.value.reason == "BUNDLE_SIGNATURE"


def test_a_trusted_name_on_another_keys_signature_is_refused() -> None:
    with pytest.raises(ForbiddenError, match="not what key"):
        read(tar_of(signed_members(key=OTHER_KEY, key_id=KEY_ID)))


def test_without_trusted_keys_nothing_is_accepted() -> None:
    with pytest.raises(ForbiddenError, match="trusted_keys"):
        read(tar_of(signed_members()), trusted={})


def test_the_signature_is_checked_before_the_manifest_is_parsed() -> None:
    members = {**signed_members(), "manifest.json": b"not even JSON"}
    with pytest.raises(ForbiddenError):
        read(tar_of(members))


def test_unknown_fields_are_ignored() -> None:
    assert read(tar_of(signed_members(manifest(colour="green")))).release_counter == 3


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"format_version": 2}, "format_version"),
        ({"format_version": None}, "format_version"),
        ({"model_name": "Fashion"}, "model_name"),
        ({"model_name": "a" * 65}, "model_name"),
        ({"model_name": 3}, "model_name"),
        ({"release_counter": 0}, "release_counter"),
        ({"release_counter": True}, "release_counter"),
        ({"release_counter": 1.5}, "release_counter"),
        ({"release_counter": 2**63}, "release_counter"),
        ({"feature_space": "0" * 64}, "feature_space"),
        ({"class_names": ["bag", "bag"]}, "class_names"),
        ({"class_names": "bag"}, "class_names"),
        ({"class_names": [""]}, "class_names"),
        ({"class_names": ["\ud800"]}, "class_names"),
        ({"class_names": ["bag\0"]}, "class_names"),
        ({"platforms": None}, "platforms"),
        ({"runtime": ""}, "runtime"),
        ({"input": [28, 28]}, "input"),
        ({"input": {"shape": [28, 0], "dtype": "uint8"}}, "input.shape"),
        ({"input": {"shape": [28]}}, "dtype"),
        ({"metrics": {"accuracy": float("nan")}}, "metrics.accuracy"),
        ({"metrics": {"accuracy": 10**400}}, "metrics.accuracy"),
        ({"metrics": {"accuracy": "high"}}, "metrics.accuracy"),
        ({"files": None}, "files"),
        ({"files": {"extractor.tflite": described(CONTENT["extractor.tflite"])}}, "files"),
        ({"files": {name: described(b"other") for name in CONTENT}}, "is not the file"),
    ],
)
def test_a_signed_manifest_that_says_something_impossible_is_refused(
    change: dict[str, Any], named: str
) -> None:
    assert named in refuse(tar_of(signed_members(manifest(**change))))


@pytest.mark.parametrize("content", [b"[]", b"\xff", b"{", b"[" * 100_000, b"null"])
def test_a_signed_manifest_that_is_no_object_is_refused(content: bytes) -> None:
    assert "manifest.json" in refuse(tar_of(signed_members(content)))


@pytest.mark.parametrize("signature", ["", "AAAA====", "not base64!", "ä"])
def test_an_unreadable_signature_is_refused(signature: str) -> None:
    stated = json.dumps({"key_id": KEY_ID, "signature": signature}).encode()
    refuse(tar_of({**signed_members(), "signature.json": stated}))


def test_a_signature_of_the_wrong_length_is_not_trusted() -> None:
    short = base64.b64encode(KEY.sign(b"x")[:63]).decode()
    stated = json.dumps({"key_id": KEY_ID, "signature": short}).encode()
    with pytest.raises(ForbiddenError):
        read(tar_of({**signed_members(), "signature.json": stated}))


def test_files_in_another_order_or_number_are_refused() -> None:
    members = signed_members()
    refuse(tar_of(dict(reversed(members.items()))))
    refuse(tar_of({**members, "extra.txt": b""}))
    refuse(tar_of({name: content for name, content in members.items() if name != "state.npz"}))
    refuse(tar_of({}))


def test_oversized_manifests_and_signatures_are_refused_unread() -> None:
    big = manifest(note="x" * (1024 * 1024))
    assert "at most" in refuse(tar_of(signed_members(big)))
    padded = signed_members()["signature.json"] + b" " * 4096
    assert "at most" in refuse(tar_of({**signed_members(), "signature.json": padded}))


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, b"S", b"L"]
)
def test_anything_but_regular_files_is_refused(kind: bytes) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        member = tarfile.TarInfo("manifest.json")
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member)
    assert "regular files" in refuse(buffer.getvalue())


def test_extended_headers_are_refused() -> None:
    long_name = {"n" * 150: b"", **signed_members()}
    refuse(tar_of(long_name, tar_format=tarfile.PAX_FORMAT))
    refuse(tar_of(long_name, tar_format=tarfile.GNU_FORMAT))


def test_names_in_a_prefix_are_refused() -> None:
    assert "plain file names" in refuse(tar_of({f"{'d' * 60}/{'e' * 60}/manifest.json": b""}))


def test_a_header_whose_checksum_is_wrong_is_refused() -> None:
    content = bytearray(tar_of(signed_members()))
    content[0] ^= 1
    assert "damaged" in refuse(bytes(content))


def test_a_size_beyond_the_end_is_refused() -> None:
    content = bytearray(tar_of(signed_members()))
    content[124:136] = b"77777777777\0"
    content[148:156] = b" " * 8
    content[148:156] = b"%06o\0 " % sum(content[:512])
    assert "cut off" in refuse(bytes(content))


def test_a_size_that_is_not_octal_is_refused() -> None:
    content = bytearray(tar_of(signed_members()))
    content[124:136] = b"\x80" + struct.pack(">xxxQ", 100)  # base-256
    content[148:156] = b" " * 8
    content[148:156] = b"%06o\0 " % sum(content[:512])
    assert "octal" in refuse(bytes(content))


def test_nothing_hides_behind_the_end() -> None:
    content = tar_of(signed_members())
    assert "behind the end" in refuse(content + bytes(512) + b"hidden")


def test_random_bytes_are_refused() -> None:
    rng = random.Random(1)
    for _ in range(200):
        refuse(rng.randbytes(rng.randrange(2048)))


def test_trusted_keys_are_read_from_files_and_from_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "trusted_keys"
    file = tmp_path / "release.pub.pem"
    file.write_bytes(public_pem(KEY))
    keys = TrustedKeys([file], folder)
    assert set(keys.by_id()) == {KEY_ID}
    folder.mkdir()
    (folder / "second.pem").write_bytes(public_pem(OTHER_KEY))
    (folder / "README").write_text("not a key")
    assert len(keys.by_id()) == 2
    (folder / "second.pem").unlink()
    assert set(keys.by_id()) == {KEY_ID}


def test_unusable_key_files_are_named(tmp_path: Path) -> None:
    wrong_kind = generate_private_key(SECP256R1()).public_key()
    (tmp_path / "p256.pem").write_bytes(
        wrong_kind.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    (tmp_path / "text.pem").write_text("hello")
    for name in ("p256.pem", "text.pem", "missing.pem"):
        with pytest.raises(KeyFileError, match=name):
            TrustedKeys([tmp_path / name], tmp_path / "none").by_id()
