"""Systemic or local: the test itself, and what the background makes of events as they come."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from itertools import count
from pathlib import Path

import grpc
import pytest
import sqlalchemy as sa

from tests.tinysphere.drift.builders import BUNDLE, START, HandClock, sample_record, uuid, vector
from tests.tinysphere.drift.test_store import add_events, add_samples
from tinymlops.v1 import device_pb2, device_service_pb2, device_service_pb2_grpc
from tinysphere.domain.devices import ModelReference
from tinysphere.domain.drift import DriftCause, DriftScope, Embedding
from tinysphere.domain.notifications import NotificationTopic
from tinysphere.domain.scopes import ScopeDecision
from tinysphere.drift.client import DeviceRegistryClient
from tinysphere.drift.grouping.grouper import Grouper
from tinysphere.drift.scoping.decider import UNKNOWN, UNKNOWN_RETRY, ScopeDecider
from tinysphere.drift.scoping.fleet import TTL, RememberedFleet
from tinysphere.drift.scoping.systemic import (
    HISTORY,
    WINDOW,
    Reach,
    alarm_rate,
    binomial_tail,
    decide,
)
from tinysphere.errors import UnavailableError
from tinysphere.rpc.server import Registration, RpcServer
from tinysphere.settings import Settings
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.drift import SqlDriftStore
from tinysphere.storage.sql.sample_groups import SqlSampleGroupStore
from tinysphere.storage.sql.scopes import SqlScopeStore
from tinysphere.storage.sql.tables_notifications import notices

SYSTEMIC, LOCAL = DriftScope.SYSTEMIC, DriftScope.LOCAL


def reach(affected_count: int, device_count: int, rate: float = 0.01) -> Reach:
    return Reach(
        model="fashion version 1",
        cause=DriftCause.COVARIATE_SHIFT,
        affected_count=affected_count,
        device_count=device_count,
        alarm_rate=rate,
    )


@pytest.mark.parametrize(
    ("affected_count", "device_count", "rate", "scope"),
    [
        (3, 10, 0.01, SYSTEMIC),
        (2, 2, 0.01, LOCAL),  # too few to speak of a fleet
        (3, 15, 0.01, SYSTEMIC),
        (3, 16, 0.01, LOCAL),  # less than a fifth
        (3, 10, 0.1, LOCAL),  # a model that cries wolf
        (5, 10, 0.1, SYSTEMIC),
        (2_000, 10_000, 0.01, SYSTEMIC),
        (1_999, 10_000, 0.01, LOCAL),
    ],
)
def test_three_things_make_a_drift_systemic(
    affected_count: int, device_count: int, rate: float, scope: DriftScope
) -> None:
    assert decide(reach(affected_count, device_count, rate))[0] is scope


def test_the_reason_names_the_figures() -> None:
    assert decide(reach(4, 10))[1] == (
        "4 of 10 devices with fashion version 1 (40%) saw the same shift (all classes moved) within 24 hours; "
        "by chance p = 8e-05 at 1.00% alarms per device."
    )
    assert decide(reach(1, 10))[1].endswith("; systemic needs 3 devices, 20% and p < 0.01.")


@pytest.mark.parametrize(
    ("least", "trials", "probability"), [(0, 5, 0.3), (1, 5, 0.3), (4, 9, 0.02), (9, 9, 0.5)]
)
def test_the_tail_is_the_sum_of_the_binomial_masses(least: int, trials: int, probability: float) -> None:
    masses = (
        math.comb(trials, k) * probability**k * (1 - probability) ** (trials - k)
        for k in range(least, trials + 1)
    )
    assert binomial_tail(least, trials, probability) == pytest.approx(sum(masses), rel=1e-9)


def test_the_rate_of_alarms_is_the_models_own() -> None:
    assert alarm_rate(0, 10, timedelta()) == 0.01  # nothing known: one in a hundred windows
    assert alarm_rate(30, 10, HISTORY) == pytest.approx(31 / (10 * 15 + 100))
    assert alarm_rate(10**6, 1, timedelta()) == 0.5


@dataclass(slots=True)
class FakeFleet:
    """A registry in memory that can be away."""

    counts: Mapping[str, int] = field(default_factory=lambda: {BUNDLE: 10})
    away: bool = False
    asked: int = 0

    def running_counts(self) -> Mapping[str, int]:
        self.asked += 1
        if self.away:
            raise UnavailableError("REGISTRY_UNAVAILABLE", "away", retry_after_s=1)
        return self.counts


@dataclass(slots=True)
class Watched:
    """Events as they come, and what is decided of them."""

    store: SqlDriftStore
    database: Database
    fleet: FakeFleet = field(default_factory=FakeFleet)
    clock: HandClock = field(default_factory=lambda: HandClock(steps=count(100)))

    def arrive(self, *numbers: int, **changes: object) -> None:
        for number in numbers:
            add_events(self.store, number, device_id=f"camera-{number}", **changes)

    def arrive_with_samples(self, number: int, *values: float) -> None:
        self.arrive(number)
        embedding = Embedding(
            values=vector(*values), dimension_count=2, feature_space=sample_record().embedding.feature_space
        )
        facts = {"device_id": f"camera-{number}", "drift_event_id": uuid(number), "embedding": embedding}
        add_samples(self.store, *(sample_record(10 * number + place, **facts) for place in range(3)))
        grouper = Grouper(SqlSampleGroupStore(self.database), self.clock, grouped=lambda: None)
        assert grouper.group_next()

    def decide(self) -> None:
        decider = ScopeDecider(SqlScopeStore(self.database), self.fleet, self.clock)
        while decider.decide_due():
            pass

    def scopes(self, *numbers: int) -> list[DriftScope | None]:
        return [self.store.get_event(uuid(number)).scope for number in numbers]

    def systemic_notices(self) -> list[str]:
        query = sa.select(notices.c.subject).where(notices.c.topic == NotificationTopic.SYSTEMIC_DRIFT.value)
        with self.database.reading() as connection:
            return list(connection.execute(query.order_by(notices.c.ordinal)).scalars())


@pytest.fixture
def watched(store: SqlDriftStore, database: Database) -> Watched:
    return Watched(store=store, database=database)


def test_an_event_that_joins_makes_those_before_it_systemic(watched: Watched) -> None:
    watched.arrive(1, 2)
    watched.decide()
    assert watched.scopes(1, 2) == [LOCAL, LOCAL]
    watched.arrive(3)
    watched.decide()
    assert watched.scopes(1, 2, 3) == [SYSTEMIC] * 3
    assert watched.store.get_event(uuid(1)).scope_reason.startswith("3 of 10 devices with fashion version 1")
    assert watched.systemic_notices() == [uuid(3)]
    watched.arrive(4)
    watched.decide()
    assert watched.store.get_event(uuid(1)).scope_reason.startswith("4 of 10 devices")
    assert watched.systemic_notices() == [uuid(3), uuid(4)]  # of one thing, by their key


def test_events_of_one_device_count_once(watched: Watched) -> None:
    add_events(watched.store, 1, 2, 3, device_id="camera-1")
    watched.decide()
    assert watched.scopes(1, 2, 3) == [LOCAL] * 3


@pytest.mark.parametrize(
    "changes",
    [
        {"cause": DriftCause.NOVELTY},
        {"detect_time": START + 2 * WINDOW},
        {
            "model": ModelReference(
                model_name="fashion",
                version=2,
                bundle_sha256=sha256(b"other").hexdigest(),
                feature_space=sha256(b"extractor").hexdigest(),
            )
        },
    ],
)
def test_another_cause_time_or_model_is_another_shift(
    watched: Watched, changes: Mapping[str, object]
) -> None:
    watched.fleet.counts = {BUNDLE: 10, sha256(b"other").hexdigest(): 10}
    watched.arrive(1, 2)
    watched.arrive(3, **changes)
    watched.decide()
    assert watched.scopes(1, 2, 3) == [LOCAL] * 3


def test_samples_in_other_groups_are_another_shift(watched: Watched) -> None:
    watched.arrive_with_samples(1, 9.0, 0.0)
    watched.arrive_with_samples(2, 0.0, 9.0)
    watched.arrive_with_samples(3, 9.0, 0.1)
    watched.decide()
    assert watched.scopes(1, 2, 3) == [LOCAL] * 3
    watched.arrive_with_samples(4, 9.1, 0.0)
    watched.decide()
    assert watched.scopes(1, 2, 3, 4) == [SYSTEMIC, LOCAL, SYSTEMIC, SYSTEMIC]


def test_samples_that_come_later_may_tell_shifts_apart(watched: Watched) -> None:
    watched.arrive_with_samples(1, 9.0, 0.0)
    watched.arrive_with_samples(2, 9.0, 0.1)
    watched.arrive(3)
    watched.decide()
    assert watched.scopes(3) == [SYSTEMIC]  # until its samples show it, one alarm is like the other
    other = Embedding(
        values=vector(0.0, 9.0), dimension_count=2, feature_space=sample_record().embedding.feature_space
    )
    add_samples(
        watched.store,
        sample_record(31, device_id="camera-3", drift_event_id=uuid(3), embedding=other),
    )
    Grouper(SqlSampleGroupStore(watched.database), watched.clock, grouped=lambda: None).group_next()
    watched.decide()
    assert watched.scopes(1, 2, 3) == [LOCAL] * 3


def test_a_model_that_alarms_often_needs_more_devices(watched: Watched) -> None:
    for number in range(20, 60):
        watched.arrive(number, detect_time=START - timedelta(days=2 + number % 20))
    watched.arrive(1, 2, 3)
    watched.decide()
    assert watched.scopes(1, 2, 3) == [LOCAL] * 3


def test_nothing_is_decided_while_the_registry_is_away(watched: Watched) -> None:
    watched.fleet.away = True
    watched.arrive(1)
    with pytest.raises(UnavailableError):
        watched.decide()
    assert watched.scopes(1) == [None]
    watched.fleet.away = False
    watched.decide()
    assert watched.scopes(1) == [LOCAL]


def test_a_version_that_nobody_runs_is_looked_at_again(watched: Watched) -> None:
    watched.fleet.counts = {}
    watched.arrive(1)
    watched.decide()
    assert watched.store.get_event(uuid(1)).scope_reason == UNKNOWN
    watched.fleet.counts = {BUNDLE: 1}
    watched.decide()
    assert watched.scopes(1) == [None]
    watched.clock.steps = count(int(UNKNOWN_RETRY.total_seconds()) + 200)
    watched.decide()
    assert watched.scopes(1) == [LOCAL]


def test_what_comes_while_deciding_is_decided_again(watched: Watched) -> None:
    scopes = SqlScopeStore(watched.database)
    watched.arrive(1)
    (scoped,) = scopes.due(now=watched.clock.now(), limit=9)
    watched.arrive_with_samples(2, 9.0, 0.0)
    add_samples(watched.store, sample_record(5, device_id="camera-1"))
    Grouper(SqlSampleGroupStore(watched.database), watched.clock, grouped=lambda: None).group_next()
    old = ScopeDecision(drift_event_id=uuid(1), scope=LOCAL, scope_reason="old", due_time=scoped.due_time)
    scopes.settle([old], notices=[])
    assert watched.store.get_event(uuid(1)).scope_reason == "old"
    watched.decide()
    assert watched.store.get_event(uuid(1)).scope_reason != "old"


def test_the_fleet_is_asked_once_a_minute() -> None:
    fleet, clock = FakeFleet(), HandClock()
    remembered = RememberedFleet(fleet, clock)
    assert [remembered.running_counts() for _ in range(3)] == [{BUNDLE: 10}] * 3
    assert fleet.asked == 1
    clock.steps = count(int(TTL.total_seconds()) + 10)
    remembered.running_counts()
    assert fleet.asked == 2


class PagedDevices(device_service_pb2_grpc.DeviceServiceServicer):
    """DeviceService on the wire: five devices on three pages, one of which never said what it runs."""

    def ListDevices(
        self, request: device_service_pb2.ListDevicesRequest, context: grpc.ServicerContext
    ) -> device_service_pb2.ListDevicesResponse:
        page = int(request.page_token or 0)
        running = [["a", "a"], ["b", ""], ["a"]][page]
        return device_service_pb2.ListDevicesResponse(
            devices=[
                device_pb2.Device(
                    status=device_pb2.DeviceStatus(
                        running_model=device_pb2.ModelReference(bundle_sha256=bundle)
                    )
                )
                for bundle in running
            ],
            next_page_token=str(page + 1) if page < 2 else "",
        )


def test_devices_are_counted_over_all_pages(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, rpc_threads=4)
    server = RpcServer(
        "127.0.0.1:0", [Registration("tinymlops.v1.DeviceService", PagedDevices())], settings=settings
    )
    client = DeviceRegistryClient(f"127.0.0.1:{server.start()}", timeout_s=30)
    assert client.running_counts() == {"a": 3, "b": 1}
    server.stop(grace_s=0)
    with pytest.raises(UnavailableError, match="UNAVAILABLE"):
        client.running_counts()
    client.close()
