"""A sender risks a share of what its stream carried, and is never held back for good."""

import threading

from tests.support.waiting import eventually
from tinylcm.sync.window import Window

KIB = 1 << 10


def window(start: int = 0) -> Window:
    return Window(start, least_bytes=128 * KIB, most_bytes=8192 * KIB)


def test_it_opens_with_what_was_carried_and_keeps_to_its_bounds() -> None:
    stream = window(start=5 * KIB)
    sizes = []
    for acknowledged in (0, 512, 1024, 4096, 65_536, 1 << 20):
        stream.acknowledge((5 + acknowledged) * KIB)
        sizes.append(stream.size_bytes // KIB)
    assert sizes == [128, 128, 128, 512, 8192, 8192]
    assert stream.piece_bytes == stream.size_bytes // 2


def test_a_piece_waits_for_the_acknowledgement_that_makes_room() -> None:
    stream, passed = window(), threading.Event()
    assert stream.wait_for_room(64 * KIB, 64 * KIB)

    def send() -> None:
        assert stream.wait_for_room(128 * KIB, 64 * KIB)
        passed.set()

    sender = threading.Thread(target=send)
    sender.start()
    stream.acknowledge(63 * KIB)
    assert not passed.is_set()
    stream.acknowledge(64 * KIB)
    assert passed.wait(30)
    sender.join()


def test_closing_ends_every_wait() -> None:
    stream, answers = window(), list[bool]()
    waits = [
        threading.Thread(target=lambda: answers.append(stream.wait_for_room(1 << 30, 1))),
        threading.Thread(target=lambda: answers.append(stream.pause(3600.0))),
    ]
    for wait in waits:
        wait.start()
    stream.close()
    for wait in waits:
        wait.join(30)
    eventually(lambda: answers == [False, False])


def test_a_pause_that_is_over_lets_the_sender_go_on() -> None:
    assert window().pause(0.0)
    assert window().pause(0.001)
