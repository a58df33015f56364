"""The mode that people give a device."""

import streamlit as st

from tinyboard.client.calls import HubError
from tinyboard.screens.common import hub
from tinyboard.views import words
from tinyboard.views.records import DeviceView

ANSWER = "mode-answer"


def show(device: DeviceView) -> None:
    """Choosing is not yet changing: what a mode allows is told first."""
    key = f"mode-{device.device_id}"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        known = list(words.MODE_WORDS)
        st.selectbox(
            "Mode",
            known,
            index=known.index(device.mode) if device.mode in known else None,
            format_func=words.title_case,
            key=key,
        )
        st.button("Change mode", key=f"change-{key}", on_click=_change, args=(device, key))
    chosen = st.session_state.get(key)
    if chosen:
        st.caption(words.MODE_WORDS[chosen])
    refused, told = st.session_state.pop(ANSWER, (False, ""))
    if told:
        (st.error if refused else st.success)(told)


def _change(device: DeviceView, key: str) -> None:
    """What came of it shows where the mode is chosen; a toast would take the place of the page's style sheet."""
    mode = st.session_state.get(key)
    if not mode:
        return
    try:
        hub().change_mode(device.device_id, mode)
    except HubError as error:
        st.session_state[ANSWER] = (True, words.plain(str(error)))
        return
    told = f"The device works in mode “{words.title_case(mode)}” from its next contact on."
    st.session_state[ANSWER] = (False, told)
