"""A device's packages through the real server process into PostgreSQL and S3, whatever the links do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from rig.link import FaultyLink, LinkFaults
from tests.e2e.test_device_uploads import empty_the_outbox
from tests.support.postgresql import PostgresServer
from tests.support.seaweedfs import S3Server
from tests.support.server_process import ServerProcess
from tests.support.waiting import eventually
from tests.tinylcm.builders import package
from tests.tinylcm.sync.conftest import DEVICE_ID, Rig
from tinylcm.adapters.clock import SystemClock
from tinylcm.sync.failures import CallError
from tinymlops.v1 import ingestion_service_pb2 as messages
from tinymlops.v1 import package_pb2
from tinymlops.v1.ingestion_service_pb2_grpc import IngestionServiceStub

SIZES = (70_000, 200_000, 700_000, 8_000_000)
CUTS = LinkFaults(cut_after_bytes=(150_000, 2_000_000), rate_bytes_per_s=8 << 20)


@pytest.fixture
def settings(postgres_server: PostgresServer, s3_server: S3Server) -> dict[str, object]:
    """Settings of a server on real stores of its own."""
    place = s3_server.new_place()
    return {"database_url": postgres_server.create_database(), **s3_server.settings(place)}


@pytest.fixture
def store_link(s3_server: S3Server) -> Iterator[FaultyLink]:
    """The way from the server to its blob store."""
    with FaultyLink(s3_server.endpoint, LinkFaults(), seed=3) as link:
        yield link


def packages_at(address: str) -> dict[str, package_pb2.Package]:
    """Every package of the device, by digest; each is durable."""
    with grpc.insecure_channel(address) as channel:
        request = messages.ListPackagesRequest(device_id=DEVICE_ID)
        found = IngestionServiceStub(channel).ListPackages(request, timeout=20).packages
    assert all(one.state >= package_pb2.PACKAGE_STATE_COMMITTED for one in found)
    return {one.descriptor.sha256: one for one in found}


def content_in(s3: S3Server, settings: dict[str, object], sha256: str) -> bytes:
    """An object as the S3 server has it."""
    bucket, _, prefix = str(settings["blobs_url"]).removeprefix("s3://").partition("/")
    response = s3.client().get_object(bucket, f"{prefix}/{sha256[:2]}/{sha256}")
    try:
        return bytes(response.read())
    finally:
        response.close()


def test_everything_arrives_over_a_link_that_is_cut_and_a_server_that_is_killed(
    settings: dict[str, object], s3_server: S3Server, tmp_path: Path
) -> None:
    news = [package(number, content=os.urandom(size)) for number, size in enumerate(SIZES)]
    settings["upload_commit_bytes"] = 128 << 10
    server = ServerProcess(tmp_path / "server", "ingestion", settings=settings)
    address = settings["ingestion_address"] = server.addresses["ingestion"]
    with FaultyLink(address, CUTS, seed=7) as link:
        rig = Rig(link.address, tmp_path, SystemClock())
        rig.outbox.put(news)
        rig.uploader.between_acknowledgements = server.kill
        eventually(lambda: rig.session.round() >= 0 and server.process.returncode is not None)
        assert rig.outbox.totals().package_count >= 1, "killed before all was there"
        rig.uploader.between_acknowledgements = lambda: None
        server = ServerProcess(tmp_path / "server", "ingestion", settings=settings)
        empty_the_outbox(rig)
        assert link.counts.cut_count >= 3
        rig.close()
    arrived = packages_at(address)
    assert server.stop() == 0
    assert set(arrived) == {new.package.sha256 for new in news}
    for new in news:
        assert content_in(s3_server, settings, new.package.sha256) == new.content


@pytest.mark.parametrize("size_bytes", [100_000, 700_000])  # smaller ones need no blob store
def test_devices_wait_while_the_blob_store_is_away(
    settings: dict[str, object], store_link: FaultyLink, tmp_path: Path, size_bytes: int
) -> None:
    new = package(1, content=os.urandom(size_bytes))
    settings["s3_endpoint"] = store_link.address
    server = ServerProcess(tmp_path / "server", "ingestion", settings=settings)
    rig = Rig(server.addresses["ingestion"], tmp_path, SystemClock())
    rig.contact.keep()
    rig.outbox.put([new])
    store_link.refuse()
    store_link.cut()
    with pytest.raises(CallError) as caught:
        rig.delivery.upload_packages()
    assert (caught.value.code, caught.value.reason) == (grpc.StatusCode.UNAVAILABLE, "BLOB_STORE_AWAY")
    assert caught.value.wait_s >= 1.0, "the server says when it is worth trying again"
    assert store_link.address not in str(caught.value), "devices need not know where the server keeps things"
    store_link.heal()
    rig.delivery.upload_packages()
    assert set(packages_at(server.addresses["ingestion"])) == {new.package.sha256}
    rig.close()
    assert server.stop() == 0
