"""The form of one rule of notifications."""

from dataclasses import replace
from zoneinfo import available_timezones

import streamlit as st

from tinyboard.views import drift, settings, words
from tinyboard.views.notification_records import QuietView, RuleView

ANY = "any"
DEFAULT_ZONE = "Europe/Berlin"
NIGHT = QuietView(start_minute=22 * 60, end_minute=7 * 60, time_zone=DEFAULT_ZONE)
WEEK_MIN = 7 * 24 * 60


def show(rule: RuleView, reviewer: str) -> RuleView | None:
    """The rule as it should be, when somebody saves."""
    key = f"form-{rule.rule_id}"
    with st.form(key, width=820):
        name = st.text_input("Name", rule.name, max_chars=128, key=f"{key}-name")
        enabled = st.toggle("In force", rule.enabled, key=f"{key}-enabled")
        topics = st.multiselect(
            "Tell when",
            list(settings.TOPICS),
            default=list(rule.topics),
            format_func=settings.TOPICS.__getitem__,
            key=f"{key}-topics",
        )
        channels = st.text_area(
            "Channels, one a line, as Apprise writes them",
            "\n".join(rule.channels),
            placeholder="mailtos://user:secret@example.org\njson://hooks.example.org/drift",
            help="Secrets are left out when shown; a line left as it is keeps its secret.",
            key=f"{key}-channels",
        )
        left, middle, right = st.columns(3)
        severity = left.selectbox(
            "Drift from severity",
            (ANY, *drift.SEVERITIES),
            index=(ANY, *drift.SEVERITIES).index(rule.minimum_severity or ANY),
            format_func=words.title_case,
            filter_mode=None,
            key=f"{key}-severity",
        )
        types = middle.multiselect(
            "Drift of type (none: all)",
            drift.TYPES,
            default=list(rule.types),
            format_func=words.TYPE_WORDS.__getitem__,
            key=f"{key}-types",
        )
        repeat_min = right.number_input(
            "Minutes before the same is told again", 0, WEEK_MIN, rule.repeat_s // 60, key=f"{key}-repeat"
        )
        quiet = _quiet(rule.quiet, key)
        if not st.form_submit_button("Save", type="primary"):
            return None
    return replace(
        rule,
        name=" ".join(name.split()),
        enabled=enabled,
        topics=tuple(topics),
        channels=tuple(line.strip() for line in channels.splitlines() if line.strip()),
        minimum_severity="" if severity in (ANY, None) else str(severity),
        types=tuple(types),
        repeat_s=60 * int(repeat_min),
        quiet=quiet,
        reviewer=reviewer,
    )


def _quiet(quiet: QuietView | None, key: str) -> QuietView | None:
    kept = quiet or NIGHT
    wanted = st.toggle("Quiet hours", quiet is not None, key=f"{key}-quiet")
    left, middle, right = st.columns(3)
    start = left.time_input("from", settings.clock(kept.start_minute), key=f"{key}-start")
    end = middle.time_input("to", settings.clock(kept.end_minute), key=f"{key}-end")
    zones = sorted(available_timezones())
    zone = right.selectbox(
        "Time zone",
        zones,
        index=zones.index(kept.time_zone) if kept.time_zone in zones else 0,
        key=f"{key}-zone",
    )
    if not wanted:
        return None
    return QuietView(start_minute=settings.minute(start), end_minute=settings.minute(end), time_zone=zone)
