"""What each fault of a link does to an upload, against a real server."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from itertools import count

import pytest

from demo.server import Server
from tests.tinysphere.simulator.lives import plan
from tinymlops.v1 import package_pb2
from tinysphere.simulator.script.device import Device
from tinysphere.simulator.script.packing import Package
from tinysphere.simulator.script.scenario import Drift, Link, Scenario, Traffic
from tinysphere.simulator.tally import Tally
from tinysphere.simulator.wire.caller import Caller
from tinysphere.simulator.wire.channels import Channels
from tinysphere.simulator.wire.contact import Contact
from tinysphere.simulator.wire.failures import CallError
from tinysphere.simulator.wire.pace import Pace
from tinysphere.simulator.wire.uploads import Uploader

SMALL, LARGE = 1_000, 400_000
SEEDS = count(1_000)

Story = Callable[["Sender"], Awaitable[None]]


class Sender:
    """A registered device with one package, over a link with a fault."""

    def __init__(self, server: Server, link: Link, size_bytes: int, *, owns_channels: bool) -> None:
        traffic = Traffic(join_s=(0, 0), package_every_s=(1e9, 1e9), state_bytes=(size_bytes, size_bytes))
        scenario = Scenario(traffic=traffic, drift=Drift(device_share=0), link=link)
        device_plan = plan(scenario, seed=next(SEEDS), duration_s=1e6)
        self.tally = Tally()
        self.device = Device(device_plan, scenario)
        self.device.live(device_plan.moments[0])
        self.server = server
        self.channels = Channels(server.addresses)
        self.caller = Caller(
            self.channels,
            device_plan,
            link,
            pace=Pace(origin_s=time.monotonic(), speed=100.0),
            tally=self.tally,
            owns_channels=owns_channels,
        )
        self.contact = Contact(self.device, self.caller, scenario)
        self.uploader = Uploader(self.caller, self.device.ledger)

    @property
    def package(self) -> Package:
        (package,) = self.device.waiting
        return package

    async def register(self) -> None:
        self.caller.is_healed = True
        await self.contact.once()
        self.caller.is_healed = False

    async def fail(self, attempt: int, reason: str) -> None:
        with pytest.raises(CallError) as failed:
            await self.uploader.send(self.package, attempt)
        assert failed.value.reason == reason

    async def arrive(self, attempt: int) -> None:
        self.caller.is_healed = True
        receipt = await self.uploader.send(self.package, attempt)
        assert receipt.descriptor.sha256 == self.package.descriptor.sha256

    def listed(self) -> list[package_pb2.Package]:
        return self.server.packages_of(self.device.plan.device_id)


def run(server: Server, link: Link, size_bytes: int, story: Story, *, owns_channels: bool = False) -> Sender:
    async def whole() -> Sender:
        sender = Sender(server, link, size_bytes, owns_channels=owns_channels)
        try:
            await sender.register()
            await story(sender)
        finally:
            await sender.channels.cut()
        return sender

    return asyncio.run(whole())


@pytest.mark.parametrize("owns_channels", [False, True])
def test_a_cut_upload_goes_on_where_the_server_was(server: Server, owns_channels: bool) -> None:
    async def story(sender: Sender) -> None:
        await sender.fail(0, "LINK_CUT")
        await sender.fail(1, "LINK_CUT")
        await sender.arrive(2)

    link = Link(cut_share=1, cut_after_bytes=(150_000, 150_000))
    sender = run(server, link, LARGE, story, owns_channels=owns_channels)
    size_bytes = sender.package.size_bytes
    assert sender.tally.counts["bytes_sent"] == size_bytes  # nothing that was acknowledged went twice
    assert sender.tally.counts["packages_committed"] == 1
    assert sender.tally.counts["faults_cut"] == 2
    assert [one.descriptor.size_bytes for one in sender.listed()] == [size_bytes]


def test_a_request_that_is_cut_never_arrives(server: Server) -> None:
    async def story(sender: Sender) -> None:
        await sender.fail(0, "LINK_CUT")
        assert not sender.listed()
        await sender.arrive(1)

    sender = run(server, Link(cut_share=1, cut_after_bytes=(10, 10)), SMALL, story)
    assert len(sender.listed()) == 1


def test_a_lost_reply_makes_a_duplicate_that_changes_nothing(server: Server) -> None:
    async def story(sender: Sender) -> None:
        await sender.fail(0, "LINK_LOST_REPLY")
        assert len(sender.listed()) == 1
        await sender.arrive(1)

    sender = run(server, Link(lost_reply_share=1), SMALL, story)
    assert sender.device.ledger.duplicate_count == 1
    assert sender.tally.counts["packages_duplicate"] == 1
    assert len(sender.listed()) == 1


def test_what_is_sent_again_after_a_power_cut_costs_no_byte(server: Server) -> None:
    async def story(sender: Sender) -> None:
        await sender.arrive(0)
        await sender.arrive(1)

    sender = run(server, Link(), LARGE, story)
    assert sender.tally.counts["bytes_sent"] == sender.package.size_bytes
    assert sender.tally.counts["packages_duplicate"] == 1
    assert len(sender.listed()) == 1


def test_a_refused_or_absent_link_carries_nothing(server: Server) -> None:
    async def refused(sender: Sender) -> None:
        await sender.fail(0, "LINK_REFUSED")

    async def offline(sender: Sender) -> None:
        await sender.fail(0, "LINK_OFFLINE")

    assert not run(server, Link(refused_share=1), SMALL, refused).listed()
    assert not run(server, Link(offline_every_s=(1e-9, 1e-9), offline_s=(1e9, 1e9)), SMALL, offline).listed()


def test_a_stalled_link_carries_all_later(server: Server) -> None:
    async def story(sender: Sender) -> None:
        begin_s = time.monotonic()
        await sender.uploader.send(sender.package, 0)
        assert time.monotonic() - begin_s >= 0.2  # 20 simulated seconds

    sender = run(server, Link(stall_share=1, stall_s=(20, 20), cut_after_bytes=(0, 0)), SMALL, story)
    assert sender.tally.counts["faults_stall"] >= 1
    assert len(sender.listed()) == 1


def test_a_thin_link_takes_its_time_in_small_chunks(server: Server) -> None:
    async def story(sender: Sender) -> None:
        begin_s = time.monotonic()
        await sender.uploader.send(sender.package, 0)
        assert time.monotonic() - begin_s >= 20_000 / 2_000 / 100

    sender = run(server, Link(rate_bytes_per_s=2_000), 20_000, story)
    assert sender.tally.counts["bytes_sent"] == sender.package.size_bytes
    assert "CreateUpload" in sender.tally.latencies  # more than its link carries in a moment


def test_a_refusal_of_the_server_is_told_by_its_reason(server: Server) -> None:
    async def story(sender: Sender) -> None:
        await sender.arrive(0)
        other = Package(
            descriptor=package_pb2.PackageDescriptor(),
            content=sender.package.content + b" ",
            record_counts={},
        )
        other.descriptor.CopyFrom(sender.package.descriptor)
        other.descriptor.size_bytes += 1
        other.descriptor.sha256 = "0" * 64
        with pytest.raises(CallError) as refused:
            await sender.uploader.send(other, 1)
        assert (refused.value.code, refused.value.reason) == ("ALREADY_EXISTS", "PACKAGE_CONFLICT")
        assert refused.value.is_refusal

    run(server, Link(), SMALL, story)
