"""How verdicts become a judgement; a change that somebody else made meanwhile is shown, never overwritten."""

from dataclasses import replace
from datetime import UTC, datetime

import streamlit as st

from tinyboard.client.calls import HubError
from tinyboard.screens.common import hub
from tinyboard.views import review, settings, words
from tinyboard.views.reviewing_records import ReviewSettingsView

SEEN = "settings-seen"
ANSWER = "settings-answer"
MOST_REVIEWERS = 15
ORDERS = {name: word for name, word in review.ORDERS.items() if name != review.AS_SET}


def show(reviewer: str) -> None:
    """The settings as they were when the form was opened."""
    now = hub().reviewing.settings()
    seen: ReviewSettingsView = st.session_state.setdefault(SEEN, now)
    if now.revision != seen.revision:
        _changed_meanwhile(now)
    refused, told = st.session_state.pop(ANSWER, (False, ""))
    if told:
        (st.error if refused else st.success)(told)
    wanted = _form(seen)
    if wanted is not None:
        _save(replace(wanted, reviewer=reviewer))
    st.caption(settings.changed(words.plain(now.reviewer), now.update_time, datetime.now(UTC)))


def _changed_meanwhile(now: ReviewSettingsView) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.warning(
            f"{words.plain(now.reviewer)} changed these settings while you looked "
            f"({settings.POLICIES.get(now.policy, now.policy).lower()}, "
            f"{now.required_count} of {now.reviewer_count}). Yours cannot be saved over them.",
            icon=":material/sync_problem:",
        )
        st.button("Show the new ones", on_click=_forget, key="settings-reload")


def _forget() -> None:
    st.session_state.pop(SEEN, None)


def _form(seen: ReviewSettingsView) -> ReviewSettingsView | None:
    """What was asked for, when somebody saves."""
    key = f"settings-{seen.revision}"
    with st.form(key, width=760):
        policy = st.radio(
            "Judgement",
            list(settings.POLICIES),
            index=list(settings.POLICIES).index(seen.policy),
            format_func=settings.POLICIES.__getitem__,
            key=f"{key}-policy",
        )
        first, second, third = st.columns(3)
        required = first.number_input(
            "Equal verdicts that decide", 1, 9, seen.required_count, key=f"{key}-required"
        )
        asked = second.number_input(
            "Reviewers asked at most", 1, MOST_REVIEWERS, seen.reviewer_count, key=f"{key}-asked"
        )
        lease_min = third.number_input(
            "Minutes a sample is kept for its reviewer",
            0.5,
            60.0,
            min(max(seen.lease_s / 60, 0.5), 60.0),
            0.5,
            key=f"{key}-lease",
        )
        adjudicators = st.multiselect(
            "Adjudicators",
            list(seen.adjudicators),
            default=list(seen.adjudicators),
            accept_new_options=True,
            placeholder="type a name and press enter",
            key=f"{key}-adjudicators",
        )
        blind = st.toggle("Blind: others' verdicts show only once decided", seen.blind, key=f"{key}-blind")
        order = st.selectbox(
            "Order of the queue where a reviewer asks for none",
            list(ORDERS),
            index=list(ORDERS).index(seen.order) if seen.order in ORDERS else 0,
            format_func=ORDERS.__getitem__,
            filter_mode=None,
            key=f"{key}-order",
        )
        if not st.form_submit_button("Save", type="primary"):
            return None
    alone = policy == "ONE"
    return replace(
        seen,
        policy=policy or seen.policy,
        required_count=1 if alone else int(required),
        reviewer_count=1 if alone else int(asked),
        adjudicators=tuple(adjudicators),
        blind=blind,
        lease_s=round(60 * lease_min),
        order=order or seen.order,
    )


def _save(wanted: ReviewSettingsView) -> None:
    try:
        stored = hub().reviewing.change_settings(wanted)
    except HubError as error:
        changed = (
            "Somebody changed the settings meanwhile; nothing of yours was saved. Look at the new ones first."
        )
        told = changed if error.reason == "REVIEW_SETTINGS_CHANGED" else words.plain(str(error))
        st.session_state[ANSWER] = (True, told)
    else:
        st.session_state[SEEN] = stored
        st.session_state[ANSWER] = (False, "Saved. Open samples are judged by it with their next verdict.")
    st.rerun()
