"""Archives and their manifests: what one does not say of the other is refused."""

import pytest
from google.protobuf import json_format

from tests.tinysphere.ingestion.archive_shelf import FILES, LONG_PATH, MIB, Shelf, with_manifest
from tests.tinysphere.ingestion.builders import (
    ZIP,
    File,
    tarred,
    zipped,
)
from tinymlops.v1 import package_pb2
from tinysphere.domain.ids import new_id


def changed(**changes: object) -> bytes:
    """The manifest of `ENTRIES` with some fields changed."""
    message = json_format.Parse(FILES[0][1], package_pb2.PackageManifest())
    for name, value in changes.items():
        setattr(message, name, value)
    return json_format.MessageToJson(message).encode()


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ([], "MANIFEST_MISSING"),
        (FILES[1:], "MANIFEST_MISSING"),
        ([FILES[1], FILES[0], *FILES[2:]], "MANIFEST_MISSING"),
        ([("manifest.json", b"{"), *FILES[1:]], "MANIFEST_INVALID"),
        ([("manifest.json", b"\xff\xfe"), *FILES[1:]], "MANIFEST_INVALID"),
        ([("manifest.json", b"[" * 100_000), *FILES[1:]], "MANIFEST_INVALID"),
        ([("manifest.json", b" " * (MIB + 1)), *FILES[1:]], "MANIFEST_INVALID"),
        ([("manifest.json", b"{}"), *FILES[1:]], "MANIFEST_INVALID"),
        ([("manifest.json", changed(package_id=new_id())), *FILES[1:]], "MANIFEST_INVALID"),
        ([("manifest.json", changed(device_id="camera-2")), *FILES[1:]], "MANIFEST_INVALID"),
        (FILES[:-1], "MANIFEST_INVALID"),
        ([*FILES, ("unlisted.pb", b"x")], "MANIFEST_INVALID"),
        ([*FILES, FILES[-1]], "MANIFEST_INVALID"),
        ([FILES[0], FILES[2], FILES[1], FILES[3]], "MANIFEST_INVALID"),
        ([*FILES[:3], (LONG_PATH, b"other")], "ENTRY_MISMATCH"),
        ([*FILES[:3], (LONG_PATH, bytes(700_000))], "ENTRY_MISMATCH"),
    ],
)
def test_what_the_manifest_does_not_say_is_refused(shelf: Shelf, files: list[File], reason: str) -> None:
    assert shelf.refusal(tarred(files)) == reason
    assert shelf.refusal(zipped(files), ZIP) == reason


def test_a_path_listed_twice_is_refused(shelf: Shelf) -> None:
    twice = with_manifest(("a.pb", b"x"), ("a.pb", b"x"))
    assert shelf.refusal(tarred(twice)) == "MANIFEST_INVALID"


def test_unknown_kinds_are_refused_and_unknown_fields_are_not(shelf: Shelf) -> None:
    text = FILES[0][1].decode()
    later_kind = text.replace("ENTRY_KIND_METRICS", "ENTRY_KIND_OF_A_LATER_VERSION", 1).encode()
    assert shelf.refusal(tarred([("manifest.json", later_kind), *FILES[1:]])) == "MANIFEST_INVALID"
    later_field = text.replace("{", '{"fieldOfALaterVersion": 1,', 1).encode()
    assert shelf.verify(tarred([("manifest.json", later_field), *FILES[1:]]))
