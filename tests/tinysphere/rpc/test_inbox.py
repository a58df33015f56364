"""A stream's messages, taken with a time limit and interruptible."""

import queue
import threading
from collections.abc import Iterator

import pytest

from tests.support.waiting import eventually
from tinysphere.errors import SupersededError
from tinysphere.rpc.inbox import Inbox


class Peer:
    """A stream that the test writes."""

    def __init__(self) -> None:
        self.sent: queue.Queue[int | BaseException | None] = queue.Queue()
        self.read_count = 0

    def __iter__(self) -> Iterator[int]:
        while (item := self.sent.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            self.read_count += 1
            yield item


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer()
    yield peer
    peer.sent.put(None)


def test_it_is_an_iterator_that_can_be_interrupted(peer: Peer) -> None:
    inbox = Inbox(iter(peer), capacity=2)
    for item in (1, 2):
        peer.sent.put(item)
    assert [next(inbox), next(inbox)] == [1, 2]
    threading.Timer(0.05, inbox.interrupt, [SupersededError("NEWER", "another came")]).start()
    with pytest.raises(SupersededError):
        next(inbox)
    ended = Inbox(iter([3, 4]), capacity=2)
    assert list(ended) == [3, 4]


def test_items_come_in_order_and_then_the_end(peer: Peer) -> None:
    inbox = Inbox(iter(peer), capacity=2)
    for item in (1, 2, 3, None):
        peer.sent.put(item)
    assert [inbox.take(5), inbox.take(5), inbox.take(5)] == [1, 2, 3]
    assert inbox.take(5) is None
    assert inbox.ended


def test_a_silent_peer_does_not_hold_the_handler(peer: Peer) -> None:
    inbox = Inbox(iter(peer), capacity=2)
    assert inbox.take(0.01) is None
    assert not inbox.ended


def test_what_ends_the_stream_comes_after_its_items(peer: Peer) -> None:
    inbox = Inbox(iter(peer), capacity=2)
    peer.sent.put(1)
    peer.sent.put(ConnectionError("cut"))
    assert inbox.take(5) == 1
    with pytest.raises(ConnectionError):
        inbox.take(5)
    assert not inbox.ended


def test_an_interruption_comes_first(peer: Peer) -> None:
    inbox = Inbox(iter(peer), capacity=2)
    peer.sent.put(1)
    inbox.interrupt(SupersededError("UPLOAD_SUPERSEDED", "newer"))
    inbox.interrupt(SupersededError("OTHER", "later"))
    with pytest.raises(SupersededError) as caught:
        inbox.take(5)
    assert caught.value.reason == "UPLOAD_SUPERSEDED"


def test_no_more_is_read_than_fits(peer: Peer) -> None:
    inbox = Inbox(iter(peer), capacity=2)
    for item in range(10):
        peer.sent.put(item)
    eventually(lambda: peer.read_count == 3)  # two wait, one is in the reader's hand
    assert inbox.take(5) == 0
    eventually(lambda: peer.read_count == 4)
    inbox.close()
    assert peer.read_count == 4
