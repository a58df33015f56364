"""What the device made of the verdicts, and how the event got where it is."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from tinyboard.client.hub import HubError
from tinyboard.screens.common import hub, shows_failures
from tinyboard.views import colours, review, words
from tinyboard.views.records import EffectView, EventView, FeedbackView, TransitionView

REFRESH_S = 3


def show(event: EventView, reviewer: str) -> None:
    """The device's answer, refreshed by itself; the way to close or reopen the event."""
    _live(event.drift_event_id)
    _close_or_reopen(event, reviewer)


@st.fragment(run_every=REFRESH_S)
def _live(drift_event_id: str) -> None:
    @shows_failures
    def body() -> None:
        _feedback(hub().feedback(drift_event_id=drift_event_id))
        _history(hub().event(drift_event_id)[1])

    body()


def _feedback(items: Sequence[FeedbackView]) -> None:
    st.markdown("##### Device's answer")
    if not items:
        st.caption("No verdict has reached the device yet.")
        return
    outcomes = Counter(item.outcome for item in items)
    line = "  ".join(
        f"{colours.badge(colours.OUTCOME_COLOURS, outcome) if outcome else ':gray-badge[On its way]'} {count}"
        for outcome, count in sorted(outcomes.items())
    )
    st.markdown(f"{len(items)} judgements: {line}")
    for reason in sorted({item.reason for item in items if item.reason}):
        st.caption(f"Reason given: {reason}")
    for effect in review.effects(items):
        _effect(effect)


def _effect(effect: EffectView) -> None:
    when = words.age(effect.commit_time, datetime.now(UTC))
    judged, reference, propagated = st.columns(3)
    judged.metric(
        f"Judged samples right ({effect.judged_sample_count})",
        words.percent(effect.judged_accuracy_after),
        words.points(effect.judged_accuracy_before, effect.judged_accuracy_after),
        border=True,
    )
    reference.metric(
        f"Reference samples right ({effect.reference_sample_count})",
        words.percent(effect.reference_accuracy_after),
        words.points(effect.reference_accuracy_before, effect.reference_accuracy_after),
        border=True,
    )
    propagated.metric(
        "Look-alikes learnt with them", effect.propagated_sample_count, when, "off", border=True
    )


def _history(transitions: Sequence[TransitionView]) -> None:
    st.markdown("##### History")
    now = datetime.now(UTC)
    for change in transitions:
        state = colours.badge(colours.EVENT_STATE_COLOURS, change.to_state)
        st.markdown(f"{state} by **{change.actor}**, {words.age(change.change_time, now)}: {change.reason}")


def _close_or_reopen(event: EventView, reviewer: str) -> None:
    verb = "Reopen" if event.closed else "Resolve"
    with st.form(f"{verb}-{event.drift_event_id}", border=True):
        reason = st.text_input(f"{verb} this event because", max_chars=1024)
        if not st.form_submit_button(f"{verb} event"):
            return
        if not reason.strip():
            st.warning("Say why in a few words; the reason is kept in the history.")
            return
    try:
        act = hub().reopen if event.closed else hub().resolve
        act(event.drift_event_id, reviewer=reviewer, reason=reason.strip())
    except HubError as error:
        st.error(str(error))
        return
    st.rerun()
