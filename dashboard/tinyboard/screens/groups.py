"""Groups: samples that look alike, across devices, judged together; and the plane they live in."""

from collections.abc import Sequence

import streamlit as st

from tinyboard.screens import embedding, group
from tinyboard.screens.common import hub, one_page, section, shows_failures, some_thumbnails
from tinyboard.screens.identity import reviewer
from tinyboard.views import group as rules
from tinyboard.views.reviewing_records import GroupView

GROUPS_ASKED = 100
GROUPS_PER_PAGE = 8
PICTURES_A_GROUP = 6
"""Eight groups of six keep the page at 48 thumbnails."""
FACES_WIDTH_PX = 420


def page() -> st.Page:
    """Where the screen is found."""
    return st.Page(show, title="Groups", icon=":material/bubble_chart:", url_path="groups")


@shows_failures
def show() -> None:
    """One group if the address names it, else all of them, as a list or on the plane."""
    name = reviewer()
    group_id = st.query_params.get("group", "")
    if group_id:
        st.query_params["group"] = group_id  # a link within the page leaves the address as it was
        st.page_link(page(), label="All groups", icon=":material/arrow_back:")
        with section():
            group.show(group_id, name)
        return
    head, choice = st.columns([2, 3], vertical_alignment="bottom")
    head.title("Groups")
    with choice.container(horizontal=True, horizontal_alignment="right"):
        view = st.segmented_control(
            "Show",
            ("Open groups", "All groups", "Map"),
            default="Open groups",
            key="groups-view",
            bind="query-params",
            required=True,
            label_visibility="collapsed",
        )
    drift_event_id = st.query_params.get("event", "")
    with section():
        if view == "Map":
            embedding.show(drift_event_id, name)
        else:
            found = hub().groups.listed(
                drift_event_id=drift_event_id, open_only=view != "All groups", limit=GROUPS_ASKED
            )
            lines(found)


def overview() -> None:
    """Every group of two or more, for another page to show."""
    with section():
        lines(hub().groups.listed(minimum_count=2, limit=GROUPS_ASKED))


def lines(found: Sequence[GroupView]) -> None:
    """One line a group, each leading to its page."""
    if not found:
        st.info(
            "No group waits here. The server groups samples as they arrive; look again in a moment, "
            "or judge samples one by one under Review.",
            icon=":material/bubble_chart:",
        )
        return
    for one in one_page(found, GROUPS_PER_PAGE, key="groups-page"):
        with (
            st.container(border=True, key=f"group-{one.group_id}"),
            st.container(horizontal=True, vertical_alignment="center"),
        ):
            with st.container(width=FACES_WIDTH_PX):
                some_thumbnails(one.representative_sample_ids[:PICTURES_A_GROUP])
            with st.container(gap="xxsmall"):
                st.markdown(rules.line(one))
                st.caption(rules.details(one))
            st.page_link(
                page(), label="Judge", icon=":material/arrow_forward:", query_params={"group": one.group_id}
            )
