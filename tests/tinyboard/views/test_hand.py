"""What a reviewer has at hand after each thing that can happen."""

from dataclasses import replace
from datetime import datetime, timedelta

from tests.tinyboard.builders import NOW, sample
from tinyboard.views import hand as rules
from tinyboard.views.hand import Hand, Queue
from tinyboard.views.records import SampleView
from tinyboard.views.reviewing_records import HandView, LeaseView

QUEUE = Queue(reviewer="ada")
LATER = NOW + timedelta(minutes=10)


def leases(*names: str, open_count: int = 0, until: datetime = LATER) -> HandView:
    held = tuple(LeaseView(sample=sample(name), expire_time=until) for name in names)
    return HandView(leases=held, open_sample_count=open_count or len(names))


def dealt(*names: str) -> Hand:
    return rules.dealt(Hand(queue=QUEUE, token="t"), leases(*names))


def judged(one: SampleView) -> SampleView:
    return replace(one, state="JUDGED", judged_label="bag")


def shown(hand: Hand) -> str:
    return hand.current.sample_id if hand.current else ""


def test_the_first_leased_sample_is_on_screen() -> None:
    assert shown(dealt("a", "b")) == "a"
    assert shown(dealt()) == ""


def test_a_verdict_moves_on_and_counts() -> None:
    hand = rules.answered(dealt("a", "b", "c"), judged(sample("a")), NOW)
    assert shown(hand) == "b"
    assert (hand.open_count, hand.judged, hand.waiting_count) == (2, ("a",), 2)


def test_a_verdict_that_decides_nothing_leaves_the_sample_open() -> None:
    hand = rules.answered(dealt("a", "b"), sample("a"), NOW)
    assert (shown(hand), hand.open_count) == ("b", 2)


def test_the_same_verdict_answered_twice_counts_once() -> None:
    once = rules.answered(dealt("a", "b"), judged(sample("a")), NOW)
    assert rules.answered(once, judged(sample("a")), NOW) == once


def test_nothing_is_on_screen_when_the_queue_ends_until_more_is_dealt() -> None:
    hand = rules.answered(dealt("a"), judged(sample("a")), NOW)
    assert hand.current is None
    assert shown(rules.dealt(hand, leases("b"))) == "b"


def test_arrows_stay_within_what_is_at_hand() -> None:
    hand = dealt("a", "b")
    assert shown(rules.moved(hand, -1)) == "a"
    assert shown(rules.moved(hand, +1)) == "b"
    assert shown(rules.moved(rules.moved(hand, +1), +1)) == "b"


def test_judging_ahead_comes_back_to_what_was_passed_over() -> None:
    hand = rules.answered(rules.moved(dealt("a", "b"), +1), judged(sample("b")), NOW)
    assert shown(hand) == "a"


def test_dealing_again_keeps_what_is_on_screen_and_renews_it() -> None:
    hand = rules.moved(dealt("a", "b"), +1)
    again = rules.dealt(hand, leases("a", "b", "c", until=LATER + timedelta(minutes=5)))
    assert shown(again) == "b"
    assert [one.sample_id for one in again.samples] == ["a", "b", "c"]
    assert not again.expired("a", LATER)
    assert hand.expired("a", LATER)


def test_a_sample_that_was_passed_on_leaves_the_hand() -> None:
    again = rules.dealt(dealt("a", "b"), leases("b"))
    assert (shown(again), len(again.samples)) == ("b", 1)


def test_a_skipped_sample_stays_within_reach_and_may_come_again() -> None:
    hand = rules.put_off(dealt("a", "b"), sample("a"))
    assert (shown(hand), hand.skipped, hand.waiting_count) == ("b", ("a",), 1)
    assert shown(rules.moved(hand, -1)) == "a"
    last = rules.answered(hand, judged(sample("b")), NOW)
    assert shown(rules.dealt(last, leases("a"))) == "a"
    assert rules.brought_back(last).skipped == ()


def test_what_was_taken_back_is_on_screen_for_another_occasion() -> None:
    before = dealt("a", "b")
    hand = rules.undone(rules.answered(before, judged(sample("a")), NOW), sample("a"))
    assert shown(hand) == "a"
    assert hand.judged == ()
    assert hand.open_count == 2
    assert hand.occasion != before.occasion


def test_what_was_taken_back_is_shown_though_it_was_forgotten() -> None:
    hand = replace(dealt("b"), judged=("a",))
    assert shown(rules.undone(hand, sample("a"))) == "a"


def test_a_hand_is_bounded() -> None:
    hand = dealt()
    for number in range(3 * rules.KEPT):
        name = f"{number:04}"
        hand = rules.answered(rules.dealt(hand, leases(name)), judged(sample(name)), NOW)
    assert len(hand.samples) <= rules.KEPT
    assert len(hand.judged) <= rules.KEPT
    assert len(hand.moments) <= rules.MOMENTS_KEPT
