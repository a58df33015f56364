"""The words for a link mean what they say, and one direction of it keeps its promises by the clock it is shown."""

from __future__ import annotations

import random

import pytest

from rig.pipe import Pipe
from rig.quality import LinkQuality, Outages


def pipe_of(quality: LinkQuality, *, seed: int = 1) -> Pipe:
    pipe = Pipe(random.Random(seed))
    pipe.quality = quality
    return pipe


def arrivals_s(pipe: Pipe) -> list[float]:
    moments = []
    while (next_s := pipe.next_s) is not None:
        moments.append(next_s)
        next(pipe.due(now_s=next_s))
    return moments


@pytest.mark.parametrize(
    "wrong",
    [{"jitter_s": 0.1}, {"loss_share": 1.0}, {"loss_share": -0.1}, {"delay_s": 0.1, "jitter_s": 0.2}],
)
def test_what_no_link_can_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        LinkQuality(**wrong)  # type: ignore[arg-type]  # numbers only


def test_an_outage_is_shorter_than_its_turn() -> None:
    with pytest.raises(ValueError, match="expected"):
        Outages(every_s=60.0, length_s=60.0)


def test_the_ideal_counts_rate_loss_outages_and_delay() -> None:
    quality = LinkQuality(rate_bytes_per_s=100.0, loss_share=0.5, delay_s=0.25)
    assert quality.ideal_s(100) == 2.25
    with_outages = LinkQuality(rate_bytes_per_s=100.0, outages=Outages(every_s=3.0, length_s=1.0))
    assert [with_outages.ideal_s(size) for size in (200, 201, 400, 401)] == pytest.approx(
        [2.0, 3.01, 5.0, 6.01]
    )
    assert LinkQuality(delay_s=0.3).ideal_s(1 << 30) == 0.3


def test_packets_come_after_the_delay_and_behind_those_before_them() -> None:
    pipe = pipe_of(LinkQuality(delay_s=0.5, rate_bytes_per_s=1000.0))
    assert all(pipe.take(bytes(100), now_s=0.0) for _ in range(3))
    assert arrivals_s(pipe) == pytest.approx([0.6, 0.7, 0.8])


def test_jitter_changes_delays_and_never_the_order() -> None:
    pipe = pipe_of(LinkQuality(delay_s=0.5, jitter_s=0.4))
    for number in range(200):
        pipe.take(number.to_bytes(2, "big"), now_s=number * 0.01)
    moments = arrivals_s(pipe)
    assert moments == sorted(moments)
    delays_s = [moment - number * 0.01 for number, moment in enumerate(moments)]
    assert all(0.1 <= delay_s <= 0.9 for delay_s in delays_s)
    assert len(set(delays_s)) > 20


def test_losses_are_drawn_from_the_seed() -> None:
    def fates(seed: int) -> list[bool]:
        pipe = pipe_of(LinkQuality(loss_share=0.3), seed=seed)
        return [pipe.take(b"x", now_s=0.0) for _ in range(1000)]

    assert fates(1) == fates(1) != fates(2)
    assert 620 <= sum(fates(1)) <= 780


def test_a_full_queue_drops_the_last_to_come() -> None:
    pipe = pipe_of(LinkQuality(rate_bytes_per_s=1000.0))
    taken = [pipe.take(bytes(1000), now_s=0.0) for _ in range(40)]
    assert taken == [True] * 16 + [False] * 24
    assert pipe.take(bytes(1000), now_s=2.0), "there is room again"


def test_a_silent_pipe_takes_nothing_and_delivers_what_is_under_way() -> None:
    pipe = pipe_of(LinkQuality(delay_s=1.0))
    pipe.take(b"before", now_s=0.0)
    pipe.is_silent = True
    assert not pipe.take(b"while", now_s=0.5)
    pipe.is_silent = False
    pipe.take(b"after", now_s=1.0)
    assert list(pipe.due(now_s=9.0)) == [b"before", b"after"]
