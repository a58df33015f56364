"""Many samples under one verdict: pictures to look at, outliers left out by a click, keys to judge the rest."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st

from tinyboard.screens import decisions
from tinyboard.screens.common import thumbnail
from tinyboard.screens.decisions import Keys
from tinyboard.views import words
from tinyboard.views.records import SampleView

THUMBNAIL_COUNT = 48
PLAIN_DECISIONS = (("Not drift", "D", "NOT_DRIFT"), ("Unusable", "U", "UNUSABLE"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulk:
    """What is judged together.

    Attributes:
        subject: Id of the group or the selection, with what was seen of it; part of every widget's key.
        shown: Samples to look at, at most `THUMBNAIL_COUNT`.
        count: Samples the verdict is about, shown or not.
        choices: Labels offered.
        judge: Takes decision, label and the ids that were left out.
        decision_for: What choosing a label says.
    """

    subject: str
    shown: Sequence[SampleView]
    count: int
    choices: Sequence[str]
    judge: Callable[[str, str, Sequence[str]], None]
    decision_for: Callable[[str], str]


def show(bulk: Bulk) -> None:
    """Pictures on the left, keys on the right."""
    left, right = st.columns([8, 5], gap="large")
    with left:
        excluded = _pictures(bulk)
    with right:
        judged = bulk.count - len(excluded)
        st.markdown(f"##### One verdict on {judged:,} sample{'' if judged == 1 else 's'}")
        decisions.show(_keys(bulk, excluded, disabled=judged < 1), PLAIN_DECISIONS)
        st.caption("Every device concerned is sent its part. A judged sample can be taken back one by one.")


def _keys(bulk: Bulk, excluded: Sequence[str], *, disabled: bool) -> Keys:
    return Keys(
        subject=bulk.subject,
        choices=bulk.choices,
        suggested=bulk.choices[0] if bulk.choices else "",
        disabled=disabled,
        decide=lambda decision: bulk.judge(decision, "", excluded),
        label=lambda label: bulk.judge(bulk.decision_for(label), label, excluded),
    )


def _pictures(bulk: Bulk) -> Sequence[str]:
    """The samples as pictures to click; returns the ids left out."""
    by_id = {sample.sample_id: sample for sample in bulk.shown}
    with st.container(key="outliers"):
        excluded = st.pills(
            "Click what does not belong to the rest; it is left out",
            list(by_id),
            selection_mode="multi",
            format_func=lambda sample_id: _face(by_id[sample_id]),
            key=f"outliers-{bulk.subject}",
        )
    if bulk.count > len(bulk.shown):
        st.caption(
            f"{len(bulk.shown)} of {bulk.count:,} shown: those that represent the rest, then the least alike. "
            "The verdict is about all of them."
        )
    return tuple(excluded or ())


def _face(sample: SampleView) -> str:
    """The picture of a sample as Markdown, else what the model said of it."""
    picture = thumbnail(sample.sample_id) if sample.has_image else None
    if picture is None:
        return f"{words.plain(sample.predicted_label)} {words.sigmas(sample.distance_score)}"
    return f"![{words.plain(sample.predicted_label)}](data:image/png;base64,{base64.b64encode(picture).decode()})"
