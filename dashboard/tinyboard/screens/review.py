"""Review: a queue of samples, one at a time by keyboard, and the device's answer."""

import streamlit as st

from tinyboard.screens import answer, card, evidence, hands, header, queue
from tinyboard.screens import desk as desks
from tinyboard.screens.common import hub, remembered, shows_failures
from tinyboard.screens.identity import reviewer
from tinyboard.views import hand as rules
from tinyboard.views import review
from tinyboard.views.hand import Hand, Queue
from tinyboard.views.records import EventView, SampleView

SAMPLES_SEARCHED = 500
OPENED = "opened-sample"


def page() -> st.Page:
    """Where the screen is found."""
    return st.Page(show, title="Review", icon=":material/rate_review:", url_path="review")


def sample_link(sample: SampleView) -> None:
    """Leads to the review of one sample."""
    st.page_link(
        page(),
        label="Review",
        icon=":material/arrow_forward:",
        query_params={"event": sample.drift_event_id, "sample": sample.sample_id},
    )


@shows_failures
def show() -> None:
    """The page: the card is drawn alone after a verdict, the rest when it changed."""
    wanted, event = queue.chosen(reviewer())
    _desk(wanted, event)
    shown = event or _event_at_hand()
    if shown is None:
        return
    left, right = st.columns([6, 5], gap="large")
    with left:
        evidence.show(shown)
    with right:
        answer.show(shown, wanted.reviewer)


@st.fragment
@shows_failures
def _desk(wanted: Queue, chosen: EventView | None) -> None:
    hand = hands.at_hand(wanted)
    if chosen is not None:
        hand = _opened(hand, chosen.drift_event_id)
    sample, reading = hand.current, False
    if sample is None and chosen is not None:
        sample, reading = _to_look_at(chosen), True
    event = _event_of(sample, chosen)
    if event is not None:
        header.show(event, hand)
    elif sample is not None:
        header.lone(sample, hand)
    if sample is None:
        header.nothing_waits(event, hand)
        return
    if reading and event is not None:
        header.nobody_needs_you(event, hand)
    card.show(desks.set_up(event, hand, sample, reading=reading))


def _event_of(sample: SampleView | None, chosen: EventView | None) -> EventView | None:
    """The event that the sample at hand belongs to, as it is now."""
    event_id = sample.drift_event_id if sample is not None else chosen.drift_event_id if chosen else ""
    return hub().event(event_id)[0] if event_id else None


def _event_at_hand() -> EventView | None:
    hand: Hand | None = st.session_state.get(hands.HAND)
    return _event_of(hand.current, None) if hand else None


def _opened(hand: Hand, drift_event_id: str) -> Hand:
    """The hand with the sample on top that the address names, once."""
    sample_id = st.query_params.get("sample", "")
    if not sample_id or st.session_state.get(OPENED) == sample_id:
        return hand
    st.session_state[OPENED] = sample_id
    found = hub().samples(drift_event_id=drift_event_id, limit=SAMPLES_SEARCHED)
    named = next((one for one in found if one.sample_id == sample_id), None)
    return hands.keep(rules.opened_at(hand, named)) if named else hand


def _to_look_at(event: EventView) -> SampleView | None:
    """A sample of an event that hands none out: judged ones, and those that others have."""
    version = (event.drift_event_id, event.sample_count, event.judged_sample_count)
    samples = remembered(
        "samples-read",
        version,
        lambda: hub().samples(drift_event_id=event.drift_event_id, limit=SAMPLES_SEARCHED),
    )
    first = review.first_shown(samples)
    return next((one for one in samples if one.sample_id == first), None)
