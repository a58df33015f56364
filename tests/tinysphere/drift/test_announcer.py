"""Feedback is announced soon, after outages and restarts too, and never forgotten."""

import threading
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import grpc
import pytest

from tests.tinysphere.drift.builders import SPACE, START, HandClock, sample_record, verdict_record
from tinymlops.v1 import device_service_pb2, device_service_pb2_grpc
from tinysphere.domain.ids import new_id
from tinysphere.drift.announcer import UNKNOWN_DEVICE_RETRY, Announcer
from tinysphere.drift.client import DeviceRegistryClient
from tinysphere.drift.review import Review
from tinysphere.errors import UnavailableError
from tinysphere.rpc.server import Registration, RpcServer
from tinysphere.settings import Settings
from tinysphere.storage.sql.drift import SqlDriftStore

WAIT_S = 30


@dataclass(slots=True)
class FakeRegistry:
    """A registry in memory; it can be away, and it knows some devices only."""

    known: set[str] = field(default_factory=lambda: {"camera-1", "camera-2"})
    away: bool = False
    marks: dict[str, int] = field(default_factory=dict)
    asked: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def announce_feedback(self, marks: Mapping[str, int]) -> Collection[str]:
        with self.changed:
            self.asked += 1
            self.changed.notify_all()
            if self.away:
                raise UnavailableError("REGISTRY_UNAVAILABLE", "away", retry_after_s=1)
            self.marks |= {key: mark for key, mark in marks.items() if key in self.known}
        return marks.keys() - self.known

    def close(self) -> None:
        pass

    def wait_for(self, *, asked: int = 0, marks: Mapping[str, int] | None = None) -> None:
        with self.changed:
            assert self.changed.wait_for(
                lambda: self.asked >= asked and (marks is None or self.marks == marks), WAIT_S
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """A reviewer's desk: every `judge` makes one feedback item for a device."""

    store: SqlDriftStore
    review: Review
    announcer: Announcer
    registry: FakeRegistry
    clock: HandClock

    def judge(self, number: int, device_id: str = "camera-1") -> None:
        with self.store.transaction() as transaction:
            transaction.fix_dimensions({SPACE: 2})
            transaction.add_samples([sample_record(number, device_id=device_id, drift_event_id="")])
        self.review.submit([verdict_record(number)])


def open_desk(store: SqlDriftStore, registry: FakeRegistry) -> Desk:
    clock = HandClock()
    announcer = Announcer(store, registry, clock)
    review = Review(store, clock, new_id=new_id, feedback_made=announcer.wake)
    return Desk(store=store, review=review, announcer=announcer, registry=registry, clock=clock)


@pytest.fixture
def desk(store: SqlDriftStore) -> Iterator[Desk]:
    desk = open_desk(store, FakeRegistry())
    yield desk
    desk.announcer.stop()


def test_the_highest_sequence_of_each_device_is_announced_once(desk: Desk) -> None:
    for number, device_id in enumerate(["camera-1", "camera-2", "camera-1"]):
        desk.judge(number, device_id)
    assert not desk.announcer.announce_due()
    assert desk.registry.marks == {"camera-1": 2, "camera-2": 1}
    desk.announcer.announce_due()
    assert desk.registry.asked == 1


def test_an_unknown_device_waits_and_holds_nobody_up(desk: Desk) -> None:
    desk.judge(1, "camera-9")
    desk.judge(2, "camera-1")
    desk.announcer.announce_due()
    assert desk.registry.marks == {"camera-1": 1}
    desk.registry.known.add("camera-9")
    desk.announcer.announce_due()
    assert desk.registry.asked == 1
    due = desk.store.due_announcements(now=desk.clock.present + UNKNOWN_DEVICE_RETRY, limit=9)
    assert due == {"camera-9": 1}
    desk.judge(3, "camera-9")  # something new is tried at once
    desk.announcer.announce_due()
    assert desk.registry.marks == {"camera-1": 1, "camera-9": 2}


def test_a_verdict_wakes_the_announcer(desk: Desk) -> None:
    desk.announcer.start()
    for number in range(1, 4):
        desk.judge(number)
        desk.registry.wait_for(marks={"camera-1": number})


def test_an_outage_delays_but_loses_nothing(desk: Desk) -> None:
    desk.registry.away = True
    desk.announcer.start()
    desk.judge(1)
    desk.registry.wait_for(asked=2)
    desk.registry.away = False
    desk.registry.wait_for(marks={"camera-1": 1})


def test_a_restart_announces_what_was_not(store: SqlDriftStore) -> None:
    registry = FakeRegistry(away=True)
    before = open_desk(store, registry)
    before.judge(1)
    with pytest.raises(UnavailableError):
        before.announcer.announce_due()
    before.announcer.stop()
    registry.away = False
    after = open_desk(store, registry)
    after.clock.steps = iter(range(100, 10_000))
    after.announcer.start()
    registry.wait_for(marks={"camera-1": 1})
    after.announcer.stop()
    assert store.due_announcements(now=START + timedelta(days=1), limit=9) == {}


class RecordingDevices(device_service_pb2_grpc.DeviceServiceServicer):
    """DeviceService on the wire: keeps the request and knows camera-1 only."""

    def __init__(self) -> None:
        self.requests: list[device_service_pb2.AnnounceWorkRequest] = []

    def AnnounceWork(
        self, request: device_service_pb2.AnnounceWorkRequest, context: grpc.ServicerContext
    ) -> device_service_pb2.AnnounceWorkResponse:
        self.requests.append(request)
        unknown = sorted(set(request.waiting_work) - {"camera-1"})
        return device_service_pb2.AnnounceWorkResponse(unknown_device_ids=unknown)


def test_marks_travel_as_the_contract_says(tmp_path: Path) -> None:
    devices = RecordingDevices()
    settings = Settings(data_dir=tmp_path, rpc_threads=4)
    server = RpcServer(
        "127.0.0.1:0", [Registration("tinymlops.v1.DeviceService", devices)], settings=settings
    )
    client = DeviceRegistryClient(f"127.0.0.1:{server.start()}", timeout_s=WAIT_S)
    assert client.announce_feedback({"camera-1": 7, "camera-9": 2}) == ["camera-9"]
    (request,) = devices.requests
    assert request.waiting_work["camera-1"] == device_service_pb2.WaitingWork(feedback_mark=7)
    server.stop(grace_s=0)
    with pytest.raises(UnavailableError, match="UNAVAILABLE"):
        client.announce_feedback({"camera-1": 8})
    client.close()
