"""Review: one drift event of the queue, its samples one at a time by keyboard, and the device's answer."""

from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from tinyboard.client.calls import HubError
from tinyboard.screens import answer, card, queue
from tinyboard.screens.common import shows_failures, thumbnail
from tinyboard.screens.desk import Desk, samples_of, set_up
from tinyboard.views import colours, markup, pictures, review, words
from tinyboard.views.records import EventView, SampleView

THUMBNAIL_COUNT = 48


def page() -> st.Page:
    """Where the screen is found."""
    return st.Page(show, title="Review", icon=":material/rate_review:", url_path="review")


@shows_failures
def show() -> None:
    """The page."""
    name = _reviewer()
    event = queue.chosen_event()
    if event is None:
        return
    with st.spinner("Asking the server for the samples…"):
        samples = samples_of(event)
    _header(event, samples)
    desk = set_up(event, samples, name) if samples else None
    if desk is not None:
        card.show(desk)
    else:
        st.info(
            "The samples of this event have not arrived yet. Its device sends them when it has a link, "
            "and they appear here by themselves.",
            icon=":material/hourglass_empty:",
        )
    left, right = st.columns([6, 5], gap="large")
    with left:
        _overview(desk)
    with right:
        answer.show(event, name)


def _reviewer() -> str:
    """Name that verdicts carry; kept for the session."""
    with st.sidebar:
        name = st.text_input(
            "Reviewer",
            value="local-reviewer",
            max_chars=128,
            key="reviewer",
            persist_state="session",
            icon=":material/person:",
        )
    return (name or "").strip() or "local-reviewer"


def _header(event: EventView, samples: Sequence[SampleView]) -> None:
    now = datetime.now(UTC)
    state = colours.badge(colours.EVENT_STATE_COLOURS, event.state)
    severity = colours.badge(colours.SEVERITY_COLOURS, event.severity)
    cause = words.CAUSE_WORDS.get(event.cause, event.cause)
    done = review.progress(samples)
    title, progress = st.columns([7, 5], gap="medium", vertical_alignment="center")
    with title:
        st.markdown(f"### {words.plain(event.device_id)}: {cause} {severity} {state}")
        st.markdown(f"{words.plain(event.description)} :gray[{words.plain(event.detector)}]")
    progress.html(
        markup.flow(
            (
                ("samples", done.sample_count),
                ("judged", done.judged_count),
                ("sent back", event.feedback_count),
                ("answered", event.acknowledged_feedback_count),
            )
        )
    )
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


def _overview(desk: Desk | None) -> None:
    st.markdown("##### Samples of this event")
    if desk is None:
        return
    current_id = desk.sample.sample_id
    shown = [
        (sample, picture)
        for sample in review.window(desk.samples, current_id, THUMBNAIL_COUNT)
        if sample.has_image and (picture := _thumbnail(sample)) is not None
    ]
    if not shown:
        st.caption("No pictures: this device sends features only.")
        return
    with st.container(key="thumbnails"):
        st.image(
            [picture for _, picture in shown],
            caption=[_thumbnail_caption(sample, current_id) for sample, _ in shown],
            width=pictures.THUMBNAIL_SIZE_PX,
            output_format="PNG",
        )
    if len(desk.samples) > len(shown):
        st.caption(f"{len(shown)} of {len(desk.samples)} shown, around the sample above.")


def _thumbnail(sample: SampleView) -> bytes | None:
    try:
        return thumbnail(sample.sample_id)
    except HubError:
        return None  # the card says what is wrong; an overview with a gap is better than none


def _thumbnail_caption(sample: SampleView, current_id: str) -> str:
    mark = "▲ " if sample.sample_id == current_id else "✓ " if sample.judged else ""
    return mark + words.plain(sample.judged_label or sample.predicted_label)
