"""The Drift Hub: `streamlit run` starts here; each page is one screen."""

from pathlib import Path

import streamlit as st

from tinyboard.screens import device, door, drift, fleet, groups, models, packages, review, settings

ASSETS = Path(__file__).with_name("assets")

st.set_page_config(
    page_title="Drift Hub · TinyMLOps",
    page_icon=(ASSETS / "mark.svg").read_text(encoding="utf-8"),
    layout="wide",
    initial_sidebar_state=280,
)
st.logo((ASSETS / "logo.svg").read_text(encoding="utf-8"), size="large")
st.html(ASSETS / "style.css")
PAGES = (fleet, device, drift, review, groups, models, packages, settings)
closed = door.closed()
chosen = st.navigation([screen.page() for screen in PAGES], position="hidden" if closed else "top")
if closed:
    door.show()
else:
    chosen.run()
