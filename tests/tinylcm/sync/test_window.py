"""A sender risks a share of what its stream carried, and is never held back for good."""

import threading

from tests.support.waiting import eventually
from tinylcm.sync.window import Window

KIB = 1 << 10


def window(start: int = 0) -> Window:
    """Of a link that is known to be fast."""
    return Window(start, least_bytes=128 * KIB, most_bytes=8192 * KIB, bytes_per_s=1e9)


class Stream:
    """A stream that nothing is known of, whose acknowledgements come when the test says."""

    def __init__(self, bytes_per_s: float | None = None) -> None:
        self.moment_s = 100.0
        self.offset = 0
        self.window = Window(
            0,
            least_bytes=512 * KIB,
            most_bytes=8192 * KIB,
            bytes_per_s=bytes_per_s,
            monotonic_s=lambda: self.moment_s,
        )
        assert self.window.wait_for_room(0, self.window.piece_bytes)

    def acknowledge(self, size_bytes: int, *, after_s: float) -> int:
        """Returns the window's size, in KiB."""
        self.moment_s += after_s
        self.offset += size_bytes
        self.window.acknowledge(self.offset)
        return self.window.size_bytes // KIB


def test_it_opens_with_what_was_carried_and_keeps_to_its_bounds() -> None:
    stream = window(start=5 * KIB)
    sizes = []
    for acknowledged in (0, 512, 1024, 4096, 65_536, 1 << 20):
        stream.acknowledge((5 + acknowledged) * KIB)
        sizes.append(stream.size_bytes // KIB)
    assert sizes == [128, 128, 128, 512, 8192, 8192]
    assert stream.piece_bytes == stream.size_bytes // 4


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


def test_a_stream_begins_with_what_a_server_makes_durable_at_once() -> None:
    assert Stream().window.size_bytes == 64 * KIB


def test_a_fast_link_is_wide_open_after_one_acknowledgement() -> None:
    assert Stream().acknowledge(64 * KIB, after_s=0.3) == 512


def test_on_a_slow_link_no_more_is_under_way_than_it_carries_in_seconds() -> None:
    stream = Stream()
    sizes = [stream.acknowledge(16 * KIB, after_s=2.0) for _ in range(4)]
    assert sizes == [32] * 4, "8 KiB/s for four seconds"
    assert stream.acknowledge(4 * KIB, after_s=20.0) == 32, "an outage: the floor keeps it going"
    assert [stream.acknowledge(128 * KIB, after_s=2.0) for _ in range(4)][-1] > 200, "and it recovers"


def test_acknowledgements_that_were_held_up_make_no_link_faster() -> None:
    stream = Stream()
    for _ in range(10):
        stream.acknowledge(16 * KIB, after_s=1.95)
        assert stream.acknowledge(16 * KIB, after_s=0.05) <= 65, "16 KiB/s for four seconds"


def test_what_a_link_carried_is_known_to_the_next_stream() -> None:
    assert Stream(bytes_per_s=20 * KIB).window.size_bytes == 80 * KIB
    assert Stream(bytes_per_s=1 * KIB).window.size_bytes == 32 * KIB
