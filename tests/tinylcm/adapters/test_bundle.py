"""A bundle is the same bytes from the same inputs, and nothing that was tampered with is ever read."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.tinylcm.builders import KEY, TRUSTED, tiny_release
from tinylcm.adapters.bundle import MEMBER_NAMES, build_bundle, read_bundle, read_manifest_unchecked
from tinylcm.errors import BundleError

META = {"version": 1, "names": ["ä", "b"]}
ARRAYS = {"z": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.array([True, False])}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    target = tmp_path / "model.bundle"
    build(target)
    return target


def build(target: Path, *, key: Ed25519PrivateKey = KEY, **changes: object) -> str:
    return build_bundle(
        target, tiny_release(**changes), extractor=b"TFL3 model", meta=META, arrays=ARRAYS, key=key
    )


def members_of(path: Path) -> list[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(path) as archive:
        return [(member, archive.extractfile(member).read()) for member in archive]  # type: ignore[union-attr]


def rewrite(path: Path, members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def test_what_was_built_is_read(path: Path) -> None:
    bundle = read_bundle(path, TRUSTED)

    assert bundle.extractor == b"TFL3 model"
    assert bundle.meta == META
    assert {name: array.tolist() for name, array in bundle.arrays.items()} == {
        name: array.tolist() for name, array in ARRAYS.items()
    }
    assert bundle.arrays["z"].dtype == np.float32
    assert bundle.manifest.feature_space == hashlib.sha256(b"TFL3 model").hexdigest()
    assert bundle.bundle_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert bundle.signing_key_id in TRUSTED


def test_same_inputs_give_the_same_bytes(path: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.bundle"
    digest = build(again)

    assert again.read_bytes() == path.read_bytes()
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()


def test_layout_is_the_described_one(path: Path) -> None:
    members = members_of(path)

    assert tuple(member.name for member, _ in members) == MEMBER_NAMES
    assert {(member.mtime, member.uid, member.gid, member.mode, member.uname) for member, _ in members} == {
        (0, 0, 0, 0o644, "")
    }
    manifest = members[0][1]
    assert (
        manifest
        == json.dumps(
            json.loads(manifest), sort_keys=True, separators=(",", ":"), ensure_ascii=False
        ).encode()
    )
    assert read_manifest_unchecked(path)["model_name"] == "tiny"


@pytest.mark.parametrize("name", MEMBER_NAMES)
def test_a_changed_member_is_refused(path: Path, name: str) -> None:
    members = members_of(path)
    changed = [
        (member, bytes([content[0] ^ 1]) + content[1:] if member.name == name else content)
        for member, content in members
    ]
    rewrite(path, changed)

    with pytest.raises(BundleError):
        read_bundle(path, TRUSTED)


def test_every_truncation_is_refused(path: Path) -> None:
    whole = path.read_bytes()
    with tarfile.open(path) as archive:
        end = max(member.offset_data + member.size for member in archive)
    for size in range(0, end, 97):
        path.write_bytes(whole[:size])
        with pytest.raises(BundleError):
            read_bundle(path, TRUSTED)


def link(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    members[2][0].type = tarfile.SYMTYPE
    members[2][0].linkname = "/etc/passwd"


def swap(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    members[3], members[4] = members[4], members[3]


def climb(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    members[4][0].name = "../state.npz"


def drop(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    members.pop()


def add(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    members.append((tarfile.TarInfo("more"), b"more"))


@pytest.mark.parametrize("change", [link, swap, climb, drop, add])
def test_other_members_than_the_five_are_refused(
    path: Path, change: Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]
) -> None:
    members = members_of(path)
    change(members)
    rewrite(path, members)

    with pytest.raises(BundleError):
        read_bundle(path, TRUSTED)


def test_a_strange_signer_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "strange.bundle"
    build(target, key=Ed25519PrivateKey.generate())

    with pytest.raises(BundleError, match="not trusted"):
        read_bundle(target, TRUSTED)


def test_without_trusted_keys_nothing_is_read(path: Path) -> None:
    with pytest.raises(BundleError, match="trusted: none"):
        read_bundle(path, {})


@pytest.mark.parametrize("content", [b"", b"no tar", bytes(10240)])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    target = tmp_path / "other"
    target.write_bytes(content)

    with pytest.raises(BundleError):
        read_bundle(target, TRUSTED)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model_name", "Fashion Model"),
        ("model_name", ""),
        ("release_counter", 0),
        ("class_names", ["a", "a"]),
        ("class_names", [""]),
        ("input_shape", (0, 4)),
        ("input_shape", (2.0,)),
        ("metrics", {"accuracy": "high"}),
        ("platforms", [7]),
    ],
)
def test_what_no_device_would_accept_is_not_built(tmp_path: Path, field: str, value: object) -> None:
    with pytest.raises(BundleError, match=field.removeprefix("input_")):
        build(tmp_path / "never.bundle", **{field: value})
    assert not (tmp_path / "never.bundle").exists()


def test_an_unknown_format_is_refused_by_its_number(path: Path) -> None:
    members = members_of(path)
    manifest = json.loads(members[0][1]) | {"format_version": 2}
    content = json.dumps(manifest).encode()
    signature = json.loads(members[1][1])
    import base64

    signature["signature"] = base64.b64encode(KEY.sign(content)).decode()
    members[0] = (members[0][0], content)
    members[1] = (members[1][0], json.dumps(signature).encode())
    rewrite(path, members)

    with pytest.raises(BundleError, match="format 2"):
        read_bundle(path, TRUSTED)


def test_no_bit_may_flip_anywhere(path: Path) -> None:
    content = path.read_bytes()
    for place in range(0, len(content), 7):
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        with pytest.raises(BundleError):
            read_bundle(path, TRUSTED)
