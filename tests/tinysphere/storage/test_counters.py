"""Counters merge per boot and sequence: whatever arrives twice, late or in disorder counts once, on each database.

The model is the contract's sentence: the newest sequence of every boot is the truth, and a device's counters are
the sum over its boots.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, fields
from itertools import accumulate
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tinysphere.storage.records import at, heartbeat, profile
from tinysphere.domain.devices import DeviceCounters, DeviceStatus, Heartbeat
from tinysphere.domain.ids import new_id
from tinysphere.storage.sql.database import Database
from tinysphere.storage.sql.devices import SqlDeviceStore

NAMES = [field.name for field in fields(DeviceCounters)]
THREADS = 4
PLENTY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def store(migrated_url: str) -> Iterator[SqlDeviceStore]:
    database = Database(migrated_url)
    yield SqlDeviceStore(database)
    database.dispose()


def added(first: DeviceCounters, second: DeviceCounters) -> DeviceCounters:
    return DeviceCounters(**{name: getattr(first, name) + getattr(second, name) for name in NAMES})


# What one boot counted between two heartbeats, some of them far beyond 32 bits.
steps = st.builds(DeviceCounters, **dict.fromkeys(NAMES, st.sampled_from((0, 1, 7, 2**40))))


@st.composite
def heartbeats(draw: st.DrawFn) -> list[Heartbeat]:
    """All that two devices ever sent; a boot id is theirs alone even where both made the same one."""
    boot_ids = [new_id() for _ in range(3)]
    sent = []
    for device_id in (f"one-{new_id()}", f"two-{new_id()}"):
        for boot_id in boot_ids[: draw(st.integers(1, 3))]:
            counted = accumulate(draw(st.lists(steps, min_size=1, max_size=5)), added)
            sent += [
                heartbeat(device_id=device_id, boot_id=boot_id, sequence=sequence, counters=counters)
                for sequence, counters in enumerate(counted, start=1)
            ]
    return sent


def truth(device_id: str, arrived: Sequence[Heartbeat]) -> DeviceCounters:
    """The model."""
    newest: dict[str, Heartbeat] = {}
    for one in arrived:
        if one.device_id == device_id and one.sequence >= newest.get(one.boot_id, one).sequence:
            newest[one.boot_id] = one
    total = DeviceCounters()
    for one in newest.values():
        total = added(total, one.counters)
    return total


def held(store: SqlDeviceStore, device_id: str) -> DeviceCounters:
    device = store.get(device_id)
    assert device is not None
    return device.counters


def registered(store: SqlDeviceStore, sent: Sequence[Heartbeat]) -> list[str]:
    ids = sorted({one.device_id for one in sent})
    for device_id in ids:
        store.register(profile(device_id=device_id), at(0))
    return ids


@PLENTY
@given(st.data())
def test_any_arrival_ends_in_the_truth(store: SqlDeviceStore, data: st.DataObject) -> None:
    sent = data.draw(heartbeats())
    # Any selection, any order, any repetition: what is lost, overtaken, sent again or comes after a newer boot.
    arrived = data.draw(st.lists(st.sampled_from(sent), max_size=25))
    ids = registered(store, sent)
    before = dict.fromkeys(ids, DeviceCounters())
    for place, one in enumerate(arrived, start=1):
        assert store.record_heartbeat(one, at(place)) is not None
        now = held(store, one.device_id)
        assert now == truth(one.device_id, arrived[:place])
        assert all(asdict(now)[name] >= asdict(before[one.device_id])[name] for name in NAMES), "only grows"
        before[one.device_id] = now
    page = {device.profile.device_id: device.counters for device in store.page({}, after=None, limit=10_000)}
    assert {device_id: page[device_id] for device_id in ids} == {
        device_id: truth(device_id, arrived) for device_id in ids
    }


@settings(PLENTY, max_examples=15)
@given(heartbeats(), st.randoms(use_true_random=False))
def test_arrivals_at_the_same_moment_end_in_the_truth(
    store: SqlDeviceStore, sent: list[Heartbeat], rng: Random
) -> None:
    ids = registered(store, sent)
    orders = [rng.sample(sent, len(sent)) for _ in range(THREADS)]

    def deliver(order: Sequence[Heartbeat]) -> None:
        for one in order:
            store.record_heartbeat(one, at(1))

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(deliver, orders))
    assert {device_id: held(store, device_id) for device_id in ids} == {
        device_id: truth(device_id, sent) for device_id in ids
    }


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        ("a1=5 a1=5 a1=5", 5),
        ("a1=5 a3=9 a2=7", 9),
        ("a2=7 b1=2 a3=8 b1=2 a3=8", 10),
        ("a2=7 b1=2 a1=5", 9),
        ("a1=5 b1=1 b2=4 a2=6 c1=0 b2=4 a2=6", 10),
    ],
    ids=[
        "re-sent",
        "overtaken",
        "a boot that returns",
        "late from the boot before",
        "three boots in disorder",
    ],
)
def test_stories(store: SqlDeviceStore, story: str, expected: int) -> None:
    """Each word: boot, sequence, predictions since the boot."""
    store.register(profile(), at(0))
    boot_ids = {name: new_id() for name in "abc"}
    for moment, word in enumerate(story.split(), start=1):
        place, _, count = word.partition("=")
        report = heartbeat(
            boot_id=boot_ids[place[0]],
            sequence=int(place[1:]),
            counters=DeviceCounters(prediction_count=int(count)),
            status=DeviceStatus(outbox_count=moment),
        )
        store.record_heartbeat(report, at(moment))
    assert held(store, profile().device_id) == DeviceCounters(prediction_count=expected)
