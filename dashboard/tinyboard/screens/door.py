"""The door: whoever has to sign in and did not sees nothing else."""

import os

import streamlit as st

SIGN_IN = "TINYBOARD_SIGN_IN"


def closed() -> bool:
    """Whether this person has to sign in first."""
    return bool(os.environ.get(SIGN_IN)) and not st.user.get("is_logged_in", False)


def show() -> None:
    """One button, at every address."""
    st.title("Drift Hub")
    st.write("Verdicts carry your name. Sign in to see the fleet and to judge.")
    st.button("Sign in", type="primary", icon=":material/login:", on_click=st.login)
