"""One device in a dialog: the mode people give it, and the lineage of what it knows."""

import streamlit as st

from tinyboard.client.calls import HubError
from tinyboard.screens import lineage
from tinyboard.screens.common import hub
from tinyboard.views import words
from tinyboard.views.records import DeviceView

ADAPTATIONS_SHOWN = 20
CHOSEN = "device-dialog"
ANSWER = "device-dialog-answer"


def open_button(device: DeviceView) -> None:
    """Opens the dialog of a device; it lives outside the part of the page that draws itself anew."""
    if st.button("Manage", key=f"manage-{device.device_id}", icon=":material/tune:", type="tertiary"):
        st.session_state[CHOSEN] = device.device_id
        st.rerun()


def show_chosen() -> None:
    """The dialog of the device that was chosen, if any."""
    device_id = st.session_state.get(CHOSEN)
    if not device_id:
        return
    try:
        device = next((one for one in hub().devices() if one.device_id == device_id), None)
    except HubError:
        return  # the page itself says that the server is gone
    if device is None:
        _close()
        return
    st.dialog(f"{words.plain(device.title)}", width="medium", on_dismiss=_close)(_dialog)(device)


def _close() -> None:
    st.session_state.pop(CHOSEN, None)
    st.session_state.pop(ANSWER, None)


def _dialog(device: DeviceView) -> None:
    _mode(device)
    st.markdown("##### Adaptations")
    try:
        adaptations = hub().adaptations(device_id=device.device_id, limit=ADAPTATIONS_SHOWN)
    except HubError as error:
        st.error(words.plain(str(error)), icon=":material/cloud_off:")
        return
    if not adaptations:
        st.caption("This device has not tried to change its classifier yet.")
    lineage.show(adaptations)


def _mode(device: DeviceView) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        key = f"mode-{device.device_id}"
        known = list(words.MODE_WORDS)
        st.selectbox(
            "Mode",
            known,
            index=known.index(device.mode) if device.mode in known else None,
            format_func=words.title_case,
            key=key,
        )
        st.button("Change mode", key=f"change-{key}", on_click=_change_mode, args=(device, key))
    chosen = st.session_state.get(key)
    if chosen:
        st.caption(words.MODE_WORDS[chosen])
    refused, told = st.session_state.get(ANSWER, (False, ""))
    if told:
        (st.error if refused else st.success)(told)


def _change_mode(device: DeviceView, key: str) -> None:
    """What came of it shows where the mode is chosen; a toast would take the place of the page's style sheet."""
    st.session_state.pop(ANSWER, None)
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
