"""The keys that judge: one for each label, "not drift", "unusable", and a field for a new class."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st

from tinyboard.views import review, words

MAX_LABEL_CHARACTERS = 64
NAMING = "naming"
"""Set by the key that leads to the name field; of no one sample, as it judges nothing."""
FOCUS_SCRIPT = "<script>/* {moment} */ document.querySelector('.st-key-naming input')?.focus()</script>"
"""The moment makes it another script each time, or the browser would not run it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What the keys offer and do.

    Attributes:
        subject: Id of what is judged; part of every widget's key.
        choices: Labels offered, in the order of their number keys.
        suggested: The label that stands out.
        disabled: Whether the server would refuse a verdict.
        decide: Takes a decision without a label.
        label: Takes a label.
    """

    subject: str
    choices: Sequence[str]
    suggested: str
    disabled: bool
    decide: Callable[[str], None]
    label: Callable[[str], None]

    def key(self, what: str) -> str:
        """Widget key that belongs to this subject alone."""
        return f"{what}-{self.subject}"


def show(keys: Keys, plain: Sequence[tuple[str, str, str]]) -> None:
    """The keys; `plain` are the decisions without a label: word, shortcut, decision.

    Laid out as a grid by the style sheet, which is cheaper to draw than columns.
    """
    with st.container(key="decisions"):
        for number, label in enumerate(keys.choices, start=1):
            st.button(
                words.plain(label),
                shortcut=str(number) if number <= review.HOTKEY_COUNT else None,
                type="primary" if label == keys.suggested else "secondary",
                key=keys.key(f"label-{label}"),
                width="stretch",
                disabled=keys.disabled,
                on_click=keys.label,
                args=(label,),
            )
    with st.container(key="plain-decisions"):
        for word, shortcut, decision in plain:
            st.button(
                word,
                shortcut=shortcut,
                key=keys.key(decision),
                width="stretch",
                disabled=keys.disabled,
                on_click=keys.decide,
                args=(decision,),
            )
    _new_class(keys)


def _new_class(keys: Keys) -> None:
    """A form, so that leaving the field half typed judges nothing."""
    field = keys.key("new")
    with st.container(horizontal=True, wrap=False, gap="xsmall", key="naming"):
        st.button("New class", shortcut="N", key=keys.key("name"), disabled=keys.disabled, on_click=_ask_name)
        with st.form(keys.key("form"), border=False), st.container(horizontal=True, wrap=False, gap="xsmall"):
            st.text_input(
                "Name of the new class",
                key=field,
                max_chars=MAX_LABEL_CHARACTERS,
                disabled=keys.disabled,
                placeholder="its name",
                label_visibility="collapsed",
            )
            st.form_submit_button("Add", disabled=keys.disabled, on_click=_take_name, args=(keys, field))
    if moment := st.session_state.pop(NAMING, 0):
        st.html(FOCUS_SCRIPT.format(moment=moment), unsafe_allow_javascript=True)


def _take_name(keys: Keys, field: str) -> None:
    """Takes the class named in a text field; an empty one judges nothing."""
    label = review.spelled(st.session_state.get(field, ""), keys.choices)
    if label:
        keys.label(label)


def _ask_name() -> None:
    st.session_state[NAMING] = time.monotonic_ns()
