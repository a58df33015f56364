"""Orders come before frames, nothing grows without bound, and stopping wakes everybody."""

from __future__ import annotations

import threading
from itertools import count

import numpy as np
import pytest

from tests.tinylcm.builders import START
from tinylcm.daemon.inbox import ActivateModel, ChangeMode, Inbox
from tinylcm.records import Frame, Mode


def frame(index: int) -> Frame:
    return Frame(source_index=index, capture_time=START, content=np.zeros(1))


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


def take(inbox: Inbox) -> object:
    return inbox.take(timeout_s=10, with_frames=True)


def test_orders_come_first(inbox: Inbox) -> None:
    first, second = frame(0), frame(1)
    inbox.put_frame(first)
    inbox.put_frame(second)
    inbox.put_order(ActivateModel())
    inbox.put_order(ChangeMode(mode=Mode.AUTONOMOUS))

    assert [take(inbox) for _ in range(4)] == [
        ActivateModel(),
        ChangeMode(mode=Mode.AUTONOMOUS),
        first,
        second,
    ]
    assert inbox.is_empty


def test_frames_wait_while_there_is_no_model(inbox: Inbox) -> None:
    inbox.put_frame(frame(0))

    assert inbox.take(timeout_s=0.0, with_frames=False) is None
    assert not inbox.is_empty


def test_orders_are_bounded(inbox: Inbox) -> None:
    taken = [inbox.put_order(ActivateModel()) for _ in range(100)]

    assert taken.count(True) == 64
    assert not taken[-1]


def test_a_full_inbox_holds_the_source_up_until_there_is_room(inbox: Inbox) -> None:
    put = threading.Semaphore(0)

    def feed() -> None:
        for index in count():
            if not inbox.put_frame(frame(index)):
                return
            put.release()

    feeder = threading.Thread(target=feed)
    feeder.start()
    for _ in range(8):
        assert put.acquire(timeout=30)
    assert not put.acquire(blocking=False)
    assert isinstance(take(inbox), Frame)
    assert put.acquire(timeout=30)
    inbox.close()
    feeder.join(30)
    assert not feeder.is_alive()


def test_a_closed_inbox_takes_and_gives_nothing(inbox: Inbox) -> None:
    inbox.put_frame(frame(0))
    inbox.close()

    assert take(inbox) is None
    assert not inbox.put_frame(frame(1))
    assert not inbox.put_order(ActivateModel())
