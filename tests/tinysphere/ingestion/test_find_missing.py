"""What a device may ask before it sends again: what it sent itself and the server holds for good is not missing."""

import os
from collections.abc import Sequence

import pytest

from tests.support.refusals import refused
from tests.tinysphere.ingestion.builders import DEVICE_ID, describe, sha256
from tests.tinysphere.ingestion.conftest import Ingestion
from tests.tinysphere.ingestion.sender import Sender, sent
from tinymlops.v1 import ingestion_service_pb2 as messages


def missing(service: Ingestion, digests: Sequence[str], device_id: str = DEVICE_ID) -> list[str]:
    request = messages.FindMissingRequest(device_id=device_id, sha256=digests)
    return list(service.packages.FindMissing(request).missing_sha256)


def test_what_is_stored_is_not_missing_and_the_rest_keeps_its_order(service: Ingestion) -> None:
    contents = [os.urandom(100) for _ in range(4)]
    digests = [sha256(content) for content in contents]
    service.put(describe(contents[1]), contents[1])
    sent(service.packages, service.create(contents[2]), contents[2])
    for _ in range(2):
        assert missing(service, [*digests, digests[0], digests[2]]) == [digests[0], digests[3]]


def test_an_unfinished_upload_is_missing(service: Ingestion) -> None:
    content = os.urandom(100)
    upload = service.create(content)
    with Sender(service.packages, upload.upload_id) as sender:
        sender.chunks(content)
        sender.close()
        sender.rest()
    assert missing(service, [sha256(content)]) == [sha256(content)]


def test_what_another_device_sent_is_nobodys_business(service: Ingestion) -> None:
    service.register("device-other")
    content = os.urandom(100)
    service.put(describe(content), content)
    assert missing(service, [sha256(content)], "device-other") == [sha256(content)]


def test_as_many_as_are_allowed(service: Ingestion) -> None:
    digests = [sha256(str(number).encode()) for number in range(1000)]
    assert missing(service, digests) == digests


@pytest.mark.parametrize(
    ("digests", "field"),
    [([], "sha256"), (["0" * 64] * 1001, "sha256"), (["0" * 64, "A" * 64], "sha256[1]"), ([""], "sha256[0]")],
)
def test_bounds_are_kept(service: Ingestion, digests: list[str], field: str) -> None:
    refusal = refused(missing, service, digests)
    assert (refusal.kind, refusal.field) == (("INVALID_ARGUMENT", "INVALID_FIELD"), field)


def test_a_device_nobody_knows(service: Ingestion) -> None:
    assert refused(missing, service, ["0" * 64], "stranger").kind == ("NOT_FOUND", "DEVICE_NOT_FOUND")
