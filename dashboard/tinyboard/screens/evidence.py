"""The samples of an event beside the one at hand: their distances around the alarm, and their pictures."""

from collections.abc import Sequence

import streamlit as st

from tinyboard.client.calls import HubError
from tinyboard.screens import groups, hands
from tinyboard.screens.common import hub, remembered, thumbnail
from tinyboard.views import distance, pictures, review, words
from tinyboard.views.hand import Hand
from tinyboard.views.records import EventView, SampleView

THUMBNAIL_COUNT = 48
SAMPLES_SHOWN = 500
LOOK_AGAIN_S = 6
PLAIN_CHART = {"displayModeBar": False}


@st.fragment(run_every=LOOK_AGAIN_S)
def show(event: EventView) -> None:
    """Looks again by itself, and never in the way of a verdict."""
    try:
        now = hub().event(event.drift_event_id)[0]
        samples = _samples(now)
    except HubError:
        st.caption("The server does not answer just now.")
        return
    if not samples:
        return
    current_id = _current_id()
    st.markdown("##### Distance around the alarm")
    st.plotly_chart(
        distance.chart(now, samples, current_id),
        key=f"distance-{event.drift_event_id}",
        config=PLAIN_CHART,
        alt="Distance of each sample from what the model knows",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("##### Samples of this event")
        st.page_link(
            groups.page(),
            label="Judge by group",
            icon=":material/bubble_chart:",
            query_params={"event": event.drift_event_id},
        )
    _thumbnails(samples, current_id)
    if now.sample_count > len(samples):
        st.caption(f"The oldest {len(samples):,} of {now.sample_count:,}.")


def _samples(event: EventView) -> Sequence[SampleView]:
    version = (event.drift_event_id, event.sample_count, event.judged_sample_count)
    return remembered(
        "evidence",
        version,
        lambda: hub().samples(drift_event_id=event.drift_event_id, limit=SAMPLES_SHOWN),
    )


def _current_id() -> str:
    hand: Hand | None = st.session_state.get(hands.HAND)
    return hand.current.sample_id if hand and hand.current else ""


def _thumbnails(samples: Sequence[SampleView], current_id: str) -> None:
    shown = [
        (sample, picture)
        for sample in review.window(samples, current_id, THUMBNAIL_COUNT)
        if sample.has_image and (picture := _thumbnail(sample)) is not None
    ]
    if not shown:
        st.caption("No pictures: this device sends features only.")
        return
    with st.container(key="thumbnails"):
        st.image(
            [picture for _, picture in shown],
            caption=[_caption(sample, current_id) for sample, _ in shown],
            width=pictures.THUMBNAIL_SIZE_PX,
            output_format="PNG",
        )
    if len(samples) > len(shown):
        st.caption(f"{len(shown)} of {len(samples)} shown, around the sample above.")


def _thumbnail(sample: SampleView) -> bytes | None:
    try:
        return thumbnail(sample.sample_id)
    except HubError:
        return None  # the card says what is wrong; an overview with a gap is better than none


def _caption(sample: SampleView, current_id: str) -> str:
    mark = "▲ " if sample.sample_id == current_id else "✓ " if sample.judged else ""
    return mark + words.plain(sample.judged_label or sample.predicted_label)
