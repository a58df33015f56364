"""One sample as a card: what the model saw and said, and the keys that judge it."""

import base64
from functools import partial

import streamlit as st

from tinyboard.client.calls import HubError
from tinyboard.screens import decisions
from tinyboard.screens import desk as desks
from tinyboard.screens.common import card_picture, thumbnail
from tinyboard.screens.decisions import Keys
from tinyboard.screens.desk import Desk
from tinyboard.views import colours, figures, markup, pictures, words
from tinyboard.views.records import SampleView

PLAIN_CHART = {"displayModeBar": False}
PLAIN_DECISIONS = (
    ("Not drift", "D", "NOT_DRIFT"),
    ("Unusable", "U", "UNUSABLE"),
    ("Cannot tell", "T", "CANNOT_TELL"),
)
NEIGHBOURS_PICTURED = 5


def show(desk: Desk) -> None:
    """The card of the sample at hand."""
    with st.container(border=True, key=desk.key("card")):
        picture, facts, actions = st.columns([4, 5, 6], gap="medium")
        with picture:
            _picture(desk)
        with facts:
            _facts(desk)
        with actions:
            _keys(desk)


def _picture(desk: Desk) -> None:
    sample = desk.sample
    content, reason = _content(sample)
    with st.container(key="picture"):
        if content is not None:
            st.image(
                content,
                width="stretch",
                output_format=pictures.format_of(content),
                alt=f"predicted {sample.predicted_label}",
            )
        else:
            st.caption(reason)
            chart = figures.feature_bars(sample.embedding)
            st.plotly_chart(chart, key=desk.key("features"), config=PLAIN_CHART)
    st.caption(f"{words.plain(sample.device_id)} · input {sample.source_index:,}")


def _content(sample: SampleView) -> tuple[bytes | None, str]:
    """The picture, or None and why; the features are shown in its place."""
    if not sample.has_image:
        return None, "This device sends features only."
    try:
        return card_picture(sample.sample_id), "The picture cannot be shown."
    except HubError as error:
        if error.reason == "UNAVAILABLE":
            raise
        return None, f"No picture: {words.plain(str(error))}"


def _facts(desk: Desk) -> None:
    sample = desk.sample
    colour_by_label = colours.by_label(desk.choices)
    nearest = sample.neighbours
    faces = {
        one.sample_id: face for one in nearest[:NEIGHBOURS_PICTURED] if (face := _face(one.sample_id, sample))
    }
    st.html(
        markup.lead(sample.predicted_label, "what the model says")
        + markup.meter(sample.confidence, colour_by_label.get(sample.predicted_label, "gray"))
        + markup.note(
            f"{words.percent(sample.confidence)} of the vote · distance {words.sigmas(sample.distance_score)}"
        )
    )
    st.html(
        markup.note("nearest neighbours and their distance")
        + markup.neighbours(nearest, colour_by_label, faces)
    )


def _face(sample_id: str, sample: SampleView) -> str:
    """A neighbour's picture, where the neighbour is a sample that the server may have; what was fitted is not."""
    if not sample.has_image or sample_id.startswith("reference/"):
        return ""
    picture = thumbnail(sample_id)
    return base64.b64encode(picture).decode() if picture else ""


def _keys(desk: Desk) -> None:
    """Everything a reviewer can do."""
    if desk.sample.judged:
        decision = colours.badge(colours.DECISION_COLOURS, desk.sample.judged_decision or "JUDGED")
        st.markdown(f"Judged {decision} **{words.plain(desk.sample.judged_label)}**")
    elif desk.resolved:
        st.markdown(":material/lock: This event is resolved; reopen it below to judge.")
    elif desk.reading:
        st.markdown(
            ":material/person_search: Another reviewer has this sample, or you have said what you think."
        )
    keys = Keys(
        subject=desk.sample.sample_id,
        choices=desk.choices,
        suggested=desk.sample.predicted_label,
        disabled=desk.closed,
        decide=partial(desks.judge, desk),
        label=partial(desks.judge_label, desk),
    )
    decisions.show(keys, PLAIN_DECISIONS)
    with st.container(key="arrows"):
        _moves(desk)


def _moves(desk: Desk) -> None:
    hand = desk.hand
    at_end = hand.place >= len(hand.samples) - 1
    moves = (
        ("Back", "Left", desks.move, (-1,), hand.place == 0),
        ("Skip", "S", desks.skip, (desk,), desk.closed),
        ("Undo", "Z", desks.undo, (), not hand.judged),
        ("Next", "Right", desks.move, (+1,), at_end),
    )
    for word, shortcut, act, arguments, disabled in moves:
        st.button(
            word,
            shortcut=shortcut,
            key=desk.key(word),
            type="tertiary",
            width="stretch",
            disabled=disabled,
            on_click=act,
            args=arguments,
        )
