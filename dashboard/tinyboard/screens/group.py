"""One group: what is known of it, its samples, and one verdict for all of them."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from tinyboard.client.calls import HubError
from tinyboard.screens import bulk
from tinyboard.screens.bulk import THUMBNAIL_COUNT, Bulk
from tinyboard.screens.common import hub, label_names
from tinyboard.views import group as rules
from tinyboard.views import markup, review, words
from tinyboard.views.reviewing_records import GroupOutcomeView, GroupVerdictView, GroupView

SAMPLES_ASKED = 1_000
CHOICES_SHOWN = 12
MOST_PARTS = 100
"""The server judges a large group in parts of 500; more parts than these are left for another click."""
ANSWER = "group-answer"


def show(group_id: str, reviewer: str) -> None:
    """The group as it is now, and what came of the verdict just given."""
    group = hub().groups.one(group_id)
    samples = hub().samples(group_id=group_id, limit=SAMPLES_ASKED)
    _header(group)
    _told()
    if not group.open_sample_count:
        st.success("Every sample of this group is judged.", icon=":material/task_alt:")
        return
    known = review.known_labels(samples)
    shown = rules.shown(samples, group, THUMBNAIL_COUNT)

    def judge(decision: str, label: str, excluded: Sequence[str]) -> None:
        _judge(group, reviewer, decision, label, excluded)

    bulk.show(
        Bulk(
            subject=f"{group.group_id}-{group.revision}",
            shown=shown,
            count=group.open_sample_count,
            choices=rules.label_choices(group, label_names(), CHOICES_SHOWN),
            judge=judge,
            decision_for=lambda label: rules.decision_for(label, known),
        )
    )


def _header(group: GroupView) -> None:
    st.title(words.plain(rules.title(group)))
    st.caption(rules.details(group))
    st.html(
        markup.facts(
            (
                ("Samples", f"{group.sample_count:,}"),
                ("Open", f"{group.open_sample_count:,}"),
                ("Devices", f"{group.device_count:,}"),
                ("Spread", f"{group.spread:.3f}"),
                ("Changed", words.age(group.update_time, datetime.now(UTC))),
                ("From", ", ".join(group.device_ids[:3]) + ("…" if group.device_count > 3 else "")),
            ),
            columns=6,
        )
    )


def _told() -> None:
    refused, text = st.session_state.pop(ANSWER, (False, ""))
    if text and refused:
        st.warning(text, icon=":material/sync_problem:")
    elif text:
        st.success(text, icon=":material/task_alt:")


def _judge(group: GroupView, reviewer: str, decision: str, label: str, excluded: Sequence[str]) -> None:
    """Submits the verdict, part by part where the group is large; what came of it is told on the next drawing."""
    occasion = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{group.group_id}/{group.revision}"))
    outcomes: list[GroupOutcomeView] = []
    try:
        while _goes_on(outcomes, excluded):
            seen = outcomes[-1].group if outcomes else group
            verdict = GroupVerdictView(
                group_id=group.group_id,
                revision=seen.revision,
                reviewer=reviewer,
                decision=decision,
                label=label,
                excluded_sample_ids=tuple(excluded),
                occasion=f"{occasion}/{len(outcomes)}",
            )
            outcomes.append(hub().groups.judge(verdict))
    except HubError as error:
        st.session_state[ANSWER] = (True, _refusal(error, outcomes))
        return
    st.session_state[ANSWER] = (False, _outcome(outcomes))


def _goes_on(outcomes: Sequence[GroupOutcomeView], excluded: Sequence[str]) -> bool:
    if not outcomes:
        return True
    last = outcomes[-1]
    return (
        last.verdict_count > 0
        and last.group.open_sample_count > len(excluded)
        and len(outcomes) < MOST_PARTS
        and last.judged_sample_count == last.verdict_count  # else other reviewers have to speak first
    )


def _outcome(outcomes: Sequence[GroupOutcomeView]) -> str:
    given, judged = (
        sum(one.verdict_count for one in outcomes),
        sum(one.judged_sample_count for one in outcomes),
    )
    devices = max(one.device_count for one in outcomes)
    waiting = "" if judged == given else f" {given - judged:,} wait for other reviewers."
    return f"{given:,} verdicts given, {judged:,} samples judged; {devices:,} devices are told.{waiting}"


def _refusal(error: HubError, outcomes: Sequence[GroupOutcomeView]) -> str:
    before = (
        f"{sum(one.verdict_count for one in outcomes):,} verdicts were taken before. " if outcomes else ""
    )
    if error.reason == "GROUP_CHANGED":
        return (
            f"{before}This group changed while you looked: samples came, or somebody judged some. "
            "Here it is as it is now; look again, and judge it."
        )
    return before + words.plain(str(error))
