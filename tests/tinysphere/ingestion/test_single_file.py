"""A package that is one gzip file: a line with the manifest, then the only entry."""

import gzip
import random

import pytest

from tests.tinysphere.ingestion.builders import (
    GZIP,
    METRICS,
    Entry,
    archived,
    delimited,
    describe,
    manifest,
    metric_point,
    packed,
)
from tests.tinysphere.ingestion.conftest import Ingestion
from tinymlops.v1 import package_pb2
from tinysphere.domain.ids import new_id

ENTRY: Entry = ("metrics.pb", METRICS, delimited(metric_point(value=number) for number in range(300)))
NOISE: Entry = ("metrics.pb", METRICS, random.Random(3).randbytes(700_000))


def ended(service: Ingestion, content: bytes, package_id: str) -> package_pb2.Package:
    service.put(describe(content, GZIP, package_id=package_id), content)
    return service.ended(package_id)


def test_it_is_processed_as_any_other(service: Ingestion) -> None:
    package = service.put(*packed([ENTRY], GZIP))
    found = service.ended(package.descriptor.package_id)
    assert (found.state, found.error) == (package_pb2.PACKAGE_STATE_PROCESSED, "")
    assert [(step.kind, step.record_count) for step in found.steps] == [(METRICS, 300)]


def test_an_entry_larger_than_what_is_read_at_once_keeps_its_bytes(service: Ingestion) -> None:
    found = service.ended(service.put(*packed([NOISE], GZIP)).descriptor.package_id)
    assert found.error_reason == ""  # size and digest were right
    assert "RECORDS_UNREADABLE" in found.steps[0].error


@pytest.mark.parametrize(
    ("entries", "extra", "reason"),
    [
        ([], b"", "MANIFEST_INVALID"),
        ([ENTRY, ("other.pb", METRICS, b"")], b"", "MANIFEST_INVALID"),
        ([("../metrics.pb", METRICS, b"")], b"", "ARCHIVE_FORBIDDEN_MEMBER"),
        ([ENTRY], b"x", "ARCHIVE_CORRUPT"),
        ([NOISE], b"x" * 300_000, "ARCHIVE_CORRUPT"),
    ],
)
def test_what_does_not_fit_its_manifest_is_refused(
    service: Ingestion, entries: list[Entry], extra: bytes, reason: str
) -> None:
    package_id = new_id()
    files = [("manifest.json", manifest(package_id, entries)), *((path, data) for path, _, data in entries)]
    content = archived([*files, ("", extra)], GZIP)
    assert ended(service, content, package_id).error_reason == reason


@pytest.mark.parametrize(
    ("plain", "reason"),
    [
        (b"", "MANIFEST_MISSING"),
        (b"{}", "MANIFEST_MISSING"),
        (b"{}\n", "MANIFEST_INVALID"),
        (b"\xff\n", "MANIFEST_INVALID"),
        (b"x" * (3 * 2**20), "MANIFEST_MISSING"),
    ],
)
def test_bytes_without_a_manifest_are_refused(service: Ingestion, plain: bytes, reason: str) -> None:
    assert ended(service, gzip.compress(plain), new_id()).error_reason == reason


def test_truncated_files_are_corrupt(service: Ingestion) -> None:
    package_id = new_id()
    files = [("manifest.json", manifest(package_id, [ENTRY])), ENTRY[::2]]
    content = archived(files, GZIP)  # type: ignore[arg-type]  # pairs of path and bytes
    assert ended(service, content[:-9], package_id).error_reason == "ARCHIVE_CORRUPT"
