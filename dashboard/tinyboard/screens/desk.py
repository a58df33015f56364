"""Judging: the sample at hand, the verdict on it, which comes next, and the way back.

Everything that acts carries the sample at hand in its arguments: a key pressed while the next sample is on its way
judges the sample that was on screen, never the one that comes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import streamlit as st

from tinyboard.client.calls import HubError
from tinyboard.screens import hands
from tinyboard.screens.common import hub, label_names
from tinyboard.views import hand as rules
from tinyboard.views import review, words
from tinyboard.views.hand import Hand
from tinyboard.views.records import EventView, SampleView, VerdictView

CHOICES_SHOWN = 12
REFUSALS = {
    "SAMPLE_JUDGED": "That sample was judged already; here is the next one.",
    "SAMPLE_NOT_FOUND": "That sample is gone; here is the next one.",
    "DRIFT_EVENT_CLOSED": "Somebody resolved this event; reopen it to go on.",
    "NOTHING_TO_WITHDRAW": "There is no verdict of yours on that sample any more.",
}
PASSED_ON = "That sample was yours for too long and somebody else has it now; here is the next one."


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """One sample at hand, and what judging it needs to know.

    Attributes:
        reading: Whether the sample may only be looked at: somebody else has it.
    """

    event: EventView | None
    hand: Hand
    sample: SampleView
    choices: Sequence[str]
    known: frozenset[str]
    reading: bool

    @property
    def resolved(self) -> bool:
        """Whether its event takes no verdict any more."""
        return self.event is not None and self.event.closed

    @property
    def closed(self) -> bool:
        """Whether a verdict would be refused."""
        return self.resolved or self.sample.judged or self.reading

    def key(self, what: str) -> str:
        """Widget key that belongs to this sample alone."""
        return f"{what}-{self.sample.sample_id}"


def set_up(event: EventView | None, hand: Hand, sample: SampleView, *, reading: bool) -> Desk:
    """The desk with this sample on it."""
    peers = (sample, *(one for one in hand.samples if one.feature_space == sample.feature_space))
    choices_key = f"choices-{sample.feature_space}"
    earlier: Sequence[str] = st.session_state.get(choices_key, ())
    choices = review.label_choices(peers, earlier)
    if len(choices) < CHOICES_SHOWN:
        choices = tuple(dict.fromkeys((*choices, *label_names())))[:CHOICES_SHOWN]
    st.session_state[choices_key] = choices
    return Desk(
        event=event,
        hand=hand,
        sample=sample,
        choices=choices,
        known=review.known_labels(peers),
        reading=reading,
    )


def judge(desk: Desk, decision: str, label: str = "") -> None:
    """Submits what was decided of the sample that was on screen, and moves on to the next one."""
    sample = desk.sample
    verdict = VerdictView(
        sample_id=sample.sample_id,
        reviewer=desk.hand.queue.reviewer,
        decision=decision,
        label=label,
        occasion=desk.hand.occasion,
    )
    try:
        if not hands.still_mine(sample):
            st.toast(PASSED_ON, icon=":material/swap_horiz:")
            return
        (after,) = hub().judge([verdict])
    except HubError as error:
        _refused(error)
        if error.reason in ("SAMPLE_JUDGED", "SAMPLE_NOT_FOUND"):
            hands.keep(rules.lost(_hand(), replace(sample, state="JUDGED")))
        return
    kept = replace(after, embedding_values=after.embedding_values or sample.embedding_values)
    hands.keep(rules.answered(_hand(), kept, datetime.now(UTC)))


def judge_label(desk: Desk, label: str) -> None:
    """Submits a label, which says something else of a sample that the model called so already."""
    judge(desk, review.decision_for(label, desk.sample, desk.known), label)


def skip(desk: Desk) -> None:
    """Puts the sample off: it comes when nothing else is left."""
    try:
        hands.release(_hand(), [desk.sample.sample_id], skip=True)
    except HubError as error:
        _refused(error)
        return
    hands.keep(rules.put_off(_hand(), desk.sample))


def bring_back() -> None:
    """Takes skips back: the samples come again at their place in the queue."""
    hand = _hand()
    try:
        hands.release(hand, hand.skipped, skip=False)
    except HubError as error:
        _refused(error)
        return
    hands.deal(rules.brought_back(hand))


def undo() -> None:
    """Takes the newest verdict of this session back, and its sample at hand again."""
    hand = _hand()
    if not hand.judged:
        st.toast("Nothing of this session is left to undo.", icon=":material/undo:")
        return
    verdict = VerdictView(
        sample_id=hand.judged[-1],
        reviewer=hand.queue.reviewer,
        decision="WITHDRAWN",
        occasion=hand.occasion,
    )
    try:
        (sample,) = hub().judge([verdict])
    except HubError as error:
        _refused(error)
        return
    hands.keep(rules.undone(hand, sample))
    st.toast("Taken back. Judge it again, or go on with S.", icon=":material/undo:")


def move(step: int) -> None:
    """Looks at a sample before or after the one on screen; judges nothing."""
    hands.keep(rules.moved(_hand(), step))


def _hand() -> Hand:
    hand: Hand = st.session_state[hands.HAND]
    return hand


def _refused(error: HubError) -> None:
    st.toast(REFUSALS.get(error.reason, words.plain(str(error))), icon=":material/error:")
