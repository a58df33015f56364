"""What the device made of the verdicts, and how the event got where it is."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from tinyboard.client.calls import HubError
from tinyboard.screens import lineage
from tinyboard.screens.common import REFRESH_S, hub, remembered
from tinyboard.views import colours, review, words
from tinyboard.views.records import EffectView, EventView, FeedbackView, TransitionView

LOOK_AGAIN_S = 10
HISTORY_LENGTH = 12
EFFECTS_SHOWN = 3
ADAPTATIONS_SHOWN = 8


def show(event: EventView, reviewer: str) -> None:
    """What the device answered, how the event got here, and the way to close or reopen it."""
    _live(event)
    _close_or_reopen(event, reviewer)


@st.fragment(run_every=REFRESH_S)
def _live(event: EventView) -> None:
    """Looks again by itself: a device that keeps items for later changes no count of the event."""
    event_id, look = event.drift_event_id, int(time.monotonic() / LOOK_AGAIN_S)
    counts, state = (event.feedback_count, event.acknowledged_feedback_count), (event.state, event.resolution)
    try:
        items = remembered(
            "feedback", (event_id, counts, look), lambda: hub().feedback(drift_event_id=event_id)
        )
        adaptations = remembered(
            "lineage",
            (event_id, counts, look),
            lambda: hub().adaptations(drift_event_id=event_id, limit=ADAPTATIONS_SHOWN),
        )
        now, transitions = remembered("history", (event_id, state, look), lambda: hub().event(event_id))
    except HubError:
        st.caption("The server does not answer just now.")
        return
    if now.closed != event.closed:
        st.rerun()
    _feedback(items)
    if adaptations:
        st.markdown("##### Adaptations")
        lineage.show(adaptations)
    _history(transitions)


def _feedback(items: Sequence[FeedbackView]) -> None:
    st.markdown("##### Device's answer")
    if not items:
        st.caption("Nothing to answer yet: judge samples, and the device fetches them at its next contact.")
        return
    st.markdown(
        " ".join(
            f":{colours.OUTCOME_COLOURS.get(outcome, 'gray')}-badge[{words.OUTCOME_WORDS[outcome]} {count}]"
            for outcome, count in review.outcome_counts(items)
        )
    )
    for reason in sorted({item.reason for item in items if item.reason}):
        st.caption(f"Reason given: {words.plain(reason)}")
    for effect in review.effects(items)[:EFFECTS_SHOWN]:
        _effect(effect)


def _effect(effect: EffectView) -> None:
    judged, reference = st.columns(2, gap="small")
    with judged:
        _accuracy("Right on judged samples", effect.judged_accuracy_before, effect.judged_accuracy_after)
    with reference:
        _accuracy("Right on reference", effect.reference_accuracy_before, effect.reference_accuracy_after)
    st.caption(
        f"Measured on the device {words.age(effect.commit_time, datetime.now(UTC))}, on "
        f"{effect.judged_sample_count:,} judged and {effect.reference_sample_count:,} reference samples; "
        f"{effect.propagated_sample_count:,} look-alikes were learnt with them."
    )


def _accuracy(name: str, before: float, after: float) -> None:
    change = words.points(before, after)
    st.metric(
        name,
        f"{100 * before:.0f} → {words.percent(after)}",
        change,
        delta_color="off" if change == words.points(0, 0) else "normal",
        delta_arrow="off",
        border=True,
    )


def _history(transitions: Sequence[TransitionView]) -> None:
    if not transitions:
        return
    st.markdown("##### History")
    now = datetime.now(UTC)
    st.markdown("  \n".join(_change(change, now) for change in transitions[-HISTORY_LENGTH:]))


def _change(change: TransitionView, now: datetime) -> str:
    state = colours.badge(colours.EVENT_STATE_COLOURS, change.to_state)
    when = words.age(change.change_time, now)
    return f"{state} by **{words.plain(change.actor)}** :gray[· {when} · {words.plain(change.reason)}]"


def _close_or_reopen(event: EventView, reviewer: str) -> None:
    verb = "Reopen" if event.closed else "Resolve"
    with (
        st.form(f"{verb}-{event.drift_event_id}", border=False),
        st.container(horizontal=True, vertical_alignment="bottom"),
    ):
        reason = st.text_input(
            f"{verb} this event because", key=f"{verb}-reason-{event.drift_event_id}", max_chars=1024
        )
        if not st.form_submit_button(f"{verb} event"):
            return
    if not reason.strip():
        st.warning("Say why in a few words; the reason is kept in the history.")
        return
    try:
        act = hub().reopen if event.closed else hub().resolve
        act(event.drift_event_id, reviewer=reviewer, reason=reason.strip())
    except HubError as error:
        st.error(words.plain(str(error)))
        return
    st.rerun()
