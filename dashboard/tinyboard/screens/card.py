"""One sample as a card: what the model saw and said, and the keys that judge it."""

import time

import streamlit as st

from tinyboard.client.calls import HubError
from tinyboard.screens import desk as desks
from tinyboard.screens.common import card_picture
from tinyboard.screens.desk import Desk
from tinyboard.views import colours, figures, markup, pictures, review, words
from tinyboard.views.records import SampleView

MAX_LABEL_CHARACTERS = 64
PLAIN_CHART = {"displayModeBar": False}
NAMING = "naming"
"""Set by the key that leads to the name field; of no one sample, as it judges nothing."""
FOCUS_SCRIPT = "<script>/* {moment} */ document.querySelector('.st-key-naming input')?.focus()</script>"
"""The moment makes it another script each time, or the browser would not run it again."""


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
    place = [one.sample_id for one in desk.samples].index(sample.sample_id) + 1
    st.caption(f"Sample {place} of {len(desk.samples)} · input {sample.source_index:,}")


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
    st.html(
        markup.lead(sample.predicted_label, "what the model says")
        + markup.meter(sample.confidence, colour_by_label.get(sample.predicted_label, "gray"))
        + markup.note(
            f"{words.percent(sample.confidence)} of the vote · distance {words.sigmas(sample.distance_score)}"
        )
    )
    st.html(
        markup.note("nearest neighbours and their distance")
        + markup.neighbours(sample.neighbours, colour_by_label)
    )


def _keys(desk: Desk) -> None:
    """Everything a reviewer can do; laid out as a grid by the style sheet, which is cheaper to draw than columns."""
    if desk.sample.judged:
        decision = colours.badge(colours.DECISION_COLOURS, desk.sample.judged_decision)
        st.markdown(f"Judged {decision} **{words.plain(desk.sample.judged_label)}**")
    elif desk.event.closed:
        st.markdown(":material/lock: This event is resolved; reopen it below to judge.")
    with st.container(key="decisions"):
        for number, label in enumerate(desk.choices, start=1):
            _decision(
                desk,
                label,
                shortcut=str(number) if number <= review.HOTKEY_COUNT else None,
                verdict=(review.decision_for(label, desk.sample, desk.known), label),
            )
        _decision(desk, "Not drift", shortcut="D", verdict=("NOT_DRIFT", ""))
        _decision(desk, "Unusable", shortcut="U", verdict=("UNUSABLE", ""))
    _new_class(desk)
    with st.container(key="arrows"):
        _arrows(desk)


def _decision(desk: Desk, word: str, *, shortcut: str | None, verdict: tuple[str, str]) -> None:
    _, label = verdict
    st.button(
        words.plain(word),
        shortcut=shortcut,
        type="primary" if label and label == desk.sample.predicted_label else "secondary",
        key=desk.key(f"label-{label}" if label else verdict[0]),
        width="stretch",
        disabled=desk.closed,
        on_click=desks.judge,
        args=(desk, *verdict),
    )


def _new_class(desk: Desk) -> None:
    """A form, so that leaving the field half typed judges nothing."""
    field = desk.key("new")
    with st.container(horizontal=True, wrap=False, gap="xsmall", key="naming"):
        st.button(
            "New class",
            shortcut="N",
            key=desk.key("name"),
            disabled=desk.closed,
            on_click=_ask_name,
        )
        with st.form(desk.key("form"), border=False), st.container(horizontal=True, wrap=False, gap="xsmall"):
            st.text_input(
                "Name of the new class",
                key=field,
                max_chars=MAX_LABEL_CHARACTERS,
                disabled=desk.closed,
                placeholder="its name",
                label_visibility="collapsed",
            )
            st.form_submit_button("Add", disabled=desk.closed, on_click=desks.judge_new, args=(desk, field))
    if moment := st.session_state.pop(NAMING, 0):
        st.html(FOCUS_SCRIPT.format(moment=moment), unsafe_allow_javascript=True)


def _arrows(desk: Desk) -> None:
    sample_id, samples = desk.sample.sample_id, desk.samples
    for word, shortcut, target in (
        ("Back", "Left", review.neighbour_of(samples, sample_id, -1)),
        ("Skip", "S", review.next_open(samples, sample_id)),
        ("Next", "Right", review.neighbour_of(samples, sample_id, +1)),
    ):
        st.button(
            word,
            shortcut=shortcut,
            key=desk.key(word),
            type="tertiary",
            width="stretch",
            on_click=desks.go,
            args=(desk.event, target),
        )


def _ask_name() -> None:
    st.session_state[NAMING] = time.monotonic_ns()
