"""What is under review: the event of the sample at hand, how far it got, and how fast it goes."""

from datetime import UTC, datetime

import streamlit as st

from tinyboard.screens import desk
from tinyboard.views import colours, markup, pace, words
from tinyboard.views.hand import Hand
from tinyboard.views.records import EventView, SampleView


def show(event: EventView, hand: Hand) -> None:
    """The event, and the progress of its review."""
    now = datetime.now(UTC)
    badges = [
        colours.badge(colours.SEVERITY_COLOURS, event.severity),
        colours.badge(colours.EVENT_STATE_COLOURS, event.state),
    ]
    if event.scope:
        badges.append(colours.badge(colours.SCOPE_COLOURS, event.scope))
    cause = words.CAUSE_WORDS.get(event.cause, event.cause)
    title, progress = st.columns([7, 5], gap="medium", vertical_alignment="center")
    with title:
        st.markdown(f"### {words.plain(event.device_id)}: {cause} {' '.join(badges)}")
        st.markdown(f"{words.plain(event.description)} :gray[{words.plain(event.detector)}]")
    with progress:
        st.html(
            markup.flow(
                (
                    ("samples", event.sample_count),
                    ("judged", event.judged_sample_count),
                    ("sent back", event.feedback_count),
                    ("answered", event.acknowledged_feedback_count),
                )
            )
        )
        _pace(hand)
    st.html(
        markup.facts(
            (
                ("Shift", words.sigmas(event.shift_sigma)),
                ("Statistic", f"{event.statistic:.1f} over {event.threshold:.1f}"),
                ("Watched", words.TYPE_WORDS.get(event.type, event.type)),
                ("Since", words.age(event.start_time, now)),
                ("Noticed after", f"{event.detect_index - event.start_index:,} inputs"),
                ("Over", words.age(event.recovery_time, now) if event.recovery_time else "not yet"),
                ("Model", event.model.title),
            ),
            columns=7,
        )
    )
    if event.scope_reason:
        st.caption(words.plain(event.scope_reason))


def lone(sample: SampleView, hand: Hand) -> None:
    """A sample that no event claims."""
    st.markdown(f"### {words.plain(sample.device_id)}: a single far sample")
    _pace(hand)


def nothing_waits(event: EventView | None, hand: Hand) -> None:
    """What to say when there is no sample to show."""
    if event is not None:
        st.info(
            "The samples of this event have not arrived yet. Its device sends them when it has a link, "
            "and they appear here by themselves.",
            icon=":material/hourglass_empty:",
        )
        return
    st.title("Review")
    if hand.open_count:
        _held_elsewhere(hand)
    else:
        st.success(
            "Nothing waits for a reviewer with these filters. New drift appears here by itself.",
            icon=":material/task_alt:",
        )
    _undo_last(hand)


def nobody_needs_you(event: EventView, hand: Hand) -> None:
    """Why the sample shown may only be looked at."""
    if event.closed:
        return
    if hand.open_count:
        _held_elsewhere(hand)
    else:
        st.success("Every sample of this event that has arrived is judged.", icon=":material/task_alt:")
    _undo_last(hand)


def _held_elsewhere(hand: Hand) -> None:
    count = f"{hand.open_count:,} samples wait" if hand.open_count > 1 else "1 sample waits"
    st.info(
        f"{count}, but not for you: other reviewers have them at hand, or have to speak after you. "
        "What is given back appears here by itself.",
        icon=":material/group:",
    )


def _undo_last(hand: Hand) -> None:
    if hand.judged:
        st.button("Undo the last verdict", icon=":material/undo:", on_click=desk.undo, key="undo-last")


def _pace(hand: Hand) -> None:
    """Open samples, rate and time left; and the way back to what was put off."""
    told = pace.told(hand.moments, hand.open_count)
    with st.container(horizontal=True, vertical_alignment="center", key="pace"):
        st.caption(" · ".join(part for part in (f"{hand.open_count:,} open in this queue", told) if part))
        if hand.skipped:
            st.button(
                f"Bring back {len(hand.skipped)} skipped",
                type="tertiary",
                icon=":material/restart_alt:",
                on_click=desk.bring_back,
                key="bring-back",
            )
