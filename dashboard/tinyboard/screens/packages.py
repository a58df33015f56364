"""Packages: what arrived from which device, what became of it, and another try for what failed."""

from datetime import UTC, datetime

import streamlit as st

from tinyboard.client.calls import HubError
from tinyboard.screens.common import REFRESH_S, hub, one_page
from tinyboard.views import packages, words
from tinyboard.views.records import PackageView

PACKAGES_ASKED = 200
PACKAGES_PER_PAGE = 20
ANY_DEVICE = "all devices"
ANSWER = "packages-answer"


def page() -> st.Page:
    """Where the screen is found."""
    return st.Page(show, title="Packages", icon=":material/package_2:", url_path="packages")


def show() -> None:
    """The page."""
    head, filters = st.columns([2, 3], vertical_alignment="bottom")
    head.title("Packages")
    with filters.container(horizontal=True, horizontal_alignment="right", vertical_alignment="bottom"):
        device_id = st.text_input(
            "Device",
            key="packages-device",
            bind="query-params",
            placeholder="id of a device",
            icon=":material/search:",
            label_visibility="collapsed",
            width=260,
        )
        state = st.segmented_control(
            "Show",
            list(packages.STATES),
            default="All",
            key="packages-state",
            bind="query-params",
            required=True,
            label_visibility="collapsed",
        )
    _live((device_id or "").strip(), packages.STATES[state or "All"])


@st.fragment(run_every=REFRESH_S)
def _live(device_id: str, state: str) -> None:
    try:
        found = hub().packages(state=state, device_id=device_id, limit=PACKAGES_ASKED)
    except HubError as error:
        st.error(f"{error} This page comes back by itself.", icon=":material/cloud_off:")
        return
    if refusal := st.session_state.pop(ANSWER, ""):
        st.warning(refusal, icon=":material/error:")
    if not found:
        _nothing_here(filtered=bool(device_id or state))
        return
    now = datetime.now(UTC)
    for package in one_page(found, PACKAGES_PER_PAGE, key="packages-page"):
        _package(package, now)
    if len(found) == PACKAGES_ASKED:
        st.caption(f"The newest {PACKAGES_ASKED}; narrow them by device or state to see older ones.")


def _package(package: PackageView, now: datetime) -> None:
    with st.container(border=True, gap="xxsmall"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(packages.line(package, now), width="stretch")
            if package.failed:
                st.button(
                    "Try again",
                    key=f"retry-{package.package_id}",
                    icon=":material/refresh:",
                    type="tertiary",
                    on_click=_retry,
                    args=(package.package_id,),
                )
        if steps := packages.steps(package):
            st.markdown(steps)
        for problem in packages.problems(package):
            st.caption(f":red[{words.plain(problem)}]")


def _nothing_here(*, filtered: bool) -> None:
    if filtered:
        st.info("No package matches. Clear the search field or show all.", icon=":material/search_off:")
    else:
        st.info(
            "No package has arrived yet. A device sends one when it has something to tell.",
            icon=":material/package_2:",
        )


def _retry(package_id: str) -> None:
    try:
        hub().retry(package_id)
    except HubError as error:
        st.session_state[ANSWER] = words.plain(str(error))
