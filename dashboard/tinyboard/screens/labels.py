"""The label catalogue: add, rename, merge; what a change does is told before it is made."""

import streamlit as st

from tinyboard.client.calls import HubError
from tinyboard.screens.common import hub
from tinyboard.views import settings, words

MAX_LABEL_CHARACTERS = 64
ANSWER = "labels-answer"
NEW_NAME = "rename-to"
ADDED = "label-added"


def show(reviewer: str) -> None:
    """The catalogue, and the two ways to change it."""
    found = hub().reviewing.labels()
    refused, told = st.session_state.pop(ANSWER, (False, ""))
    if told:
        (st.error if refused else st.success)(told)
    left, right = st.columns([7, 5], gap="large")
    with left:
        st.subheader(f"{len(found):,} labels")
        if found:
            st.dataframe(settings.label_rows(found), hide_index=True, height=520, alt="Label catalogue")
        else:
            st.info(
                "No label yet. Add one here, or name a new class while reviewing.", icon=":material/label:"
            )
    with right:
        _add(reviewer)
        if found:
            _rename(reviewer)


def _add(reviewer: str) -> None:
    st.subheader("Add a label")
    with (
        st.form("add-label", border=False),
        st.container(horizontal=True, vertical_alignment="bottom"),
    ):
        st.text_input("Name", key=ADDED, max_chars=MAX_LABEL_CHARACTERS)
        st.form_submit_button("Add", on_click=_do_add, args=(reviewer,))


def _rename(reviewer: str) -> None:
    st.subheader("Rename or merge")
    found = hub().reviewing.labels()
    name = st.selectbox("Label", [label.name for label in found], key="rename-from")
    new_name = st.text_input("Becomes", key=NEW_NAME, max_chars=MAX_LABEL_CHARACTERS)
    told = settings.preview(name or "", new_name or "", found)
    if not told:
        st.caption("Name another label to merge into it, or a new name. What that does is told here first.")
        return
    st.warning(told, icon=":material/label:")
    merges = "a merge" in told
    st.button(
        "Merge" if merges else "Rename",
        type="primary",
        key="rename",
        on_click=_do_rename,
        args=(name, new_name, reviewer),
    )


def _do_add(reviewer: str) -> None:
    name = " ".join(st.session_state.get(ADDED, "").split())
    if not name:
        return
    try:
        label = hub().reviewing.add_label(name, reviewer=reviewer)
    except HubError as error:
        st.session_state[ANSWER] = (True, words.plain(str(error)))
        return
    st.session_state[ADDED] = ""
    known = "" if label.name == name else f" “{words.plain(name)}” stands for it."
    st.session_state[ANSWER] = (False, f"“{words.plain(label.name)}” is in the catalogue.{known}")


def _do_rename(name: str, new_name: str, reviewer: str) -> None:
    try:
        count = hub().reviewing.rename_label(name, " ".join(new_name.split()), reviewer=reviewer)
    except HubError as error:
        st.session_state[ANSWER] = (True, words.plain(str(error)))
        return
    st.session_state[NEW_NAME] = ""
    told = f"“{words.plain(name)}” is “{words.plain(new_name)}” now; {count:,} judgements changed."
    st.session_state[ANSWER] = (False, told)
