"""Settings: the label catalogue, how verdicts become judgements, and who is told of what."""

from collections.abc import Callable, Mapping

import streamlit as st

from tinyboard.screens import labels, notifications, policy
from tinyboard.screens.common import section, shows_failures
from tinyboard.screens.identity import reviewer

VIEWS: Mapping[str, Callable[[str], None]] = {
    "Labels": labels.show,
    "Policy": policy.show,
    "Notifications": notifications.show,
}


def page() -> st.Page:
    """Where the screen is found."""
    return st.Page(show, title="Settings", icon=":material/settings:", url_path="settings")


@shows_failures
def show() -> None:
    """The page."""
    name = reviewer()
    head, choice = st.columns([2, 3], vertical_alignment="bottom")
    head.title("Settings")
    with choice.container(horizontal=True, horizontal_alignment="right"):
        view = st.segmented_control(
            "View",
            list(VIEWS),
            default="Labels",
            key="settings-view",
            bind="query-params",
            required=True,
            label_visibility="collapsed",
        )
    with section():
        VIEWS[view or "Labels"](name)
