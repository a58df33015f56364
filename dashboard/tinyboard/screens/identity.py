"""Who is at work: the identity of a person who signed in, else a name given on this machine."""

import streamlit as st

from tinyboard.views import identity

LOCAL_NAME = "local-reviewer"


def reviewer() -> str:
    """The name that verdicts carry; only somebody who did not sign in may choose it."""
    signed_in = identity.name_of(dict(st.user))
    with st.sidebar:
        if signed_in:
            _signed_in(signed_in)
            return signed_in
        name = st.text_input(
            "Reviewer",
            value=LOCAL_NAME,
            max_chars=identity.MAX_NAME_CHARACTERS,
            key="reviewer",
            persist_state="session",
            icon=":material/person:",
        )
    return (name or "").strip() or LOCAL_NAME


def _signed_in(name: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f":material/person: {name}")
        st.button("Sign out", type="tertiary", on_click=st.logout)
