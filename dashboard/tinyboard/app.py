"""The Drift Hub: `streamlit run` starts here; each page is one screen."""

import streamlit as st

from tinyboard.screens import fleet, review

st.set_page_config(page_title="Drift Hub · TinyMLOps", page_icon=":material/ssid_chart:", layout="wide")
st.navigation(
    [
        st.Page(fleet.show, title="Fleet", icon=":material/router:", url_path="fleet", default=True),
        st.Page(review.show, title="Review", icon=":material/rate_review:", url_path="review"),
    ]
).run()
