"""The Drift Hub: `streamlit run` starts here; each page is one screen."""

from pathlib import Path

import streamlit as st

from tinyboard.screens import device, fleet, packages, review

ASSETS = Path(__file__).with_name("assets")

st.set_page_config(
    page_title="Drift Hub · TinyMLOps",
    page_icon=(ASSETS / "mark.svg").read_text(encoding="utf-8"),
    layout="wide",
    initial_sidebar_state=280,
)
st.logo((ASSETS / "logo.svg").read_text(encoding="utf-8"), size="large")
st.html(ASSETS / "style.css")
st.navigation([fleet.page(), device.page(), review.page(), packages.page()], position="top").run()
