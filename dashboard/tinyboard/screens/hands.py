"""The hand of this session: leased samples kept ready, so that the next one costs no call."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import streamlit as st

from tinyboard.client.calls import HubError
from tinyboard.screens.common import hub
from tinyboard.views import hand as rules
from tinyboard.views.hand import Hand, Queue
from tinyboard.views.records import SampleView

SIZE = 6
"""Samples leased at once: enough to be ahead of a fast reviewer, few enough to leave others theirs."""
LOW = 2
RENEW_BEFORE = timedelta(seconds=20)
HAND = "hand"


def at_hand(queue: Queue) -> Hand:
    """The hand of this queue, dealt anew when few samples are left; that of another queue is given back."""
    kept: Hand | None = st.session_state.get(HAND)
    if kept is None or kept.queue != queue:
        if kept is not None:
            _give_back(kept)
        return deal(Hand(queue=queue, token=uuid.uuid4().hex))
    if kept.current is None or (kept.waiting_count < LOW and kept.open_count > kept.waiting_count):
        return deal(kept)
    return kept


def deal(hand: Hand) -> Hand:
    """Leases the next samples, and renews those at hand."""
    queue = hand.queue
    view = hub().reviewing.lease(
        queue.reviewer,
        SIZE,
        order=queue.order,
        device_id=queue.device_id,
        drift_event_id=queue.drift_event_id,
    )
    return keep(rules.dealt(hand, view))


def refresh() -> bool:
    """Renews leases that run out soon, and looks again where nothing waits; whether the card is another then."""
    hand: Hand | None = st.session_state.get(HAND)
    if hand is None:
        return False
    soon = datetime.now(UTC) + RENEW_BEFORE
    if hand.waiting_count and not any(hand.expired(one, soon) for one in hand.expire_times):
        return False
    return _shown(deal(hand)) != _shown(hand)


def still_mine(sample: SampleView) -> bool:
    """Whether nobody was handed the sample since it was leased; asks only when the lease ran out."""
    hand: Hand = st.session_state[HAND]
    if not hand.expired(sample.sample_id, datetime.now(UTC)):
        return True
    return sample.sample_id in deal(hand).expire_times


def keep(hand: Hand) -> Hand:
    """Remembers it for the next drawing."""
    st.session_state[HAND] = hand
    return hand


def release(hand: Hand, sample_ids: Sequence[str], *, skip: bool) -> None:
    """Gives samples back to the queue."""
    if sample_ids:
        hub().reviewing.release(hand.queue.reviewer, list(sample_ids), skip=skip)


def _give_back(hand: Hand) -> None:
    try:
        release(hand, list(hand.expire_times), skip=False)
    except HubError as error:
        if error.reason == "UNAVAILABLE":
            raise
        # the leases end by themselves


def _shown(hand: Hand) -> str:
    return hand.current.sample_id if hand.current else ""
