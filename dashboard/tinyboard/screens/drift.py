"""Drift: what the whole fleet noticed, how far it reaches, who judged it how, and what became of that."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import streamlit as st

from tinyboard.screens import agreement, audit, backlogs, drift_events, groups
from tinyboard.screens.common import hub, shows_failures
from tinyboard.views import drift, words
from tinyboard.views.drift_records import EventFilter

ANY = "any"
VIEWS = ("Events", "Groups", "Agreement", "Feedback", "Audit")


def page() -> st.Page:
    """Where the screen is found."""
    return st.Page(show, title="Drift", icon=":material/timeline:", url_path="drift")


@shows_failures
def show() -> None:
    """The page."""
    head, choice = st.columns([2, 5], vertical_alignment="bottom")
    head.title("Drift")
    with choice.container(horizontal=True, horizontal_alignment="right"):
        view = st.segmented_control(
            "View",
            VIEWS,
            default="Events",
            key="view",
            bind="query-params",
            required=True,
            label_visibility="collapsed",
        )
    shows: Mapping[str, Callable[[], None]] = {
        "Events": _events,
        "Groups": groups.overview,
        "Agreement": agreement.show,
        "Feedback": backlogs.show,
        "Audit": audit.show,
    }
    shows[view or "Events"]()


def _events() -> None:
    columns = st.columns([3, 3, 2, 3, 4], vertical_alignment="bottom")
    with columns[0]:
        type_name = _choice("Type", drift.TYPES, words.TYPE_WORDS)
    with columns[1]:
        severity = _choice("Severity from", drift.SEVERITIES, {})
    with columns[2]:
        scope = _choice("Scope", drift.SCOPES, words.SCOPE_WORDS)
    with columns[3]:
        device_id = _choice("Device", tuple(one.device_id for one in hub().devices()), None)
    with columns[4]:
        span_name = st.segmented_control(
            "Time", list(drift.SPANS), default="1 week", key="drift-time", bind="query-params", required=True
        )
    span = drift.SPANS[span_name or "1 week"]
    wanted = EventFilter(type=type_name, minimum_severity=severity, scope=scope, device_id=device_id)
    drift_events.show(wanted, span, datetime.now(UTC))


def _choice(name: str, options: tuple[str, ...], spelled: Mapping[str, str] | None) -> str:
    """One of the options, or "" for any; None spells them as they are."""

    def word(option: str) -> str:
        if option == ANY or spelled is None:
            return option
        return spelled.get(option) or words.title_case(option)

    chosen = st.selectbox(
        name,
        (ANY, *options),
        format_func=word,
        key=f"drift-{name.split()[0].casefold()}",
        bind="query-params",
        filter_mode=None if spelled is not None else "fuzzy",
    )
    return "" if chosen in (ANY, None) else str(chosen)
