"""Rules of notifications: who is told of what, a test of each, and what became of what was sent."""

import uuid

import streamlit as st

from tinyboard.client.calls import HubError
from tinyboard.screens import rule_form
from tinyboard.screens.common import hub
from tinyboard.views import settings, words
from tinyboard.views.notification_records import RuleView

DELIVERIES_SHOWN = 200
ANSWER = "rules-answer"
EDITED = "rule-edited"


def show(reviewer: str) -> None:
    """The rules, the form of the one that is edited, and the log."""
    rules = hub().notifications.rules()
    refused, lines = st.session_state.pop(ANSWER, (False, ()))
    if lines:
        (st.error if refused else st.info)("  \n".join(lines))
    edited: RuleView | None = st.session_state.get(EDITED)
    if edited is not None:
        _edit(edited, reviewer)
    else:
        st.button("Add a rule", icon=":material/add:", on_click=_begin, args=(_fresh(),), key="add-rule")
    if not rules:
        st.info("Nobody is told of anything yet. Add a rule.", icon=":material/notifications_off:")
    for rule in rules:
        _rule(rule, reviewer)
    _log({rule.rule_id: rule.name for rule in rules})


def _rule(rule: RuleView, reviewer: str) -> None:
    with (
        st.container(border=True, key=f"rule-{rule.rule_id}"),
        st.container(horizontal=True, vertical_alignment="center"),
    ):
        with st.container(gap="xxsmall"):
            st.markdown(settings.rule_line(rule))
            st.caption(settings.rule_details(rule))
        key = rule.rule_id
        st.button("Edit", type="tertiary", key=f"edit-{key}", on_click=_begin, args=(rule,))
        st.button("Test", type="tertiary", key=f"test-{key}", on_click=_test, args=(rule,))
        with st.popover("Delete", type="tertiary"):
            st.write("What it left to send is not sent.")
            st.button("Delete this rule", key=f"delete-{key}", on_click=_delete, args=(rule, reviewer))


def _edit(edited: RuleView, reviewer: str) -> None:
    st.subheader("Rule")
    wanted = rule_form.show(edited, reviewer)
    st.button("Discard", type="tertiary", on_click=_end, key="discard-rule")
    if wanted is None:
        return
    try:
        hub().notifications.put(wanted)
    except HubError as error:
        st.error(words.plain(str(error)))
        return
    _end()
    st.session_state[ANSWER] = (False, (f"“{words.plain(wanted.name)}” is in force from now on.",))
    st.rerun()


def _log(names: dict[str, str]) -> None:
    st.subheader("Deliveries")
    found = hub().notifications.deliveries(limit=DELIVERIES_SHOWN)
    if found:
        st.dataframe(settings.delivery_rows(found, names), hide_index=True, alt="Deliveries, newest first")
    else:
        st.caption("Nothing was sent yet.")


def _fresh() -> RuleView:
    return RuleView(
        rule_id=str(uuid.uuid4()),
        name="",
        enabled=True,
        topics=(),
        minimum_severity="",
        types=(),
        channels=(),
        repeat_s=3_600,
        quiet=None,
        reviewer="",
        update_time=None,
    )


def _begin(rule: RuleView) -> None:
    st.session_state[EDITED] = rule


def _end() -> None:
    st.session_state.pop(EDITED, None)


def _test(rule: RuleView) -> None:
    try:
        ended = hub().notifications.test(rule.rule_id)
    except HubError as error:
        st.session_state[ANSWER] = (True, (words.plain(str(error)),))
        return
    failed = any(one.state == "FAILED" for one in ended)
    st.session_state[ANSWER] = (failed, tuple(map(settings.delivery_line, ended)))


def _delete(rule: RuleView, reviewer: str) -> None:
    try:
        hub().notifications.delete(rule.rule_id, reviewer=reviewer)
    except HubError as error:
        st.session_state[ANSWER] = (True, (words.plain(str(error)),))
        return
    st.session_state[ANSWER] = (False, (f"“{words.plain(rule.name)}” is deleted.",))
