"""How far reviewers agree, and the samples on which they do not."""

import streamlit as st

from tinyboard.screens import review
from tinyboard.screens.common import hub, one_page, section, thumbnail
from tinyboard.views import agreement, words
from tinyboard.views.records import SampleView

DISAGREEMENTS_ASKED = 200
DISAGREEMENTS_PER_PAGE = 10


def show() -> None:
    """Kappas, pairs of reviewers, and what is disputed."""
    with section():
        _measure()
    with section():
        _disputed()


def _measure() -> None:
    found = hub().reviewing.agreement()
    columns = st.columns(3)
    columns[0].metric(
        "Fleiss' kappa", agreement.kappa(found.fleiss_kappa), help="1 is perfect, 0 is chance.", border=True
    )
    columns[1].metric("One opinion only", agreement.unanimous(found), border=True)
    columns[2].metric("Samples of several reviewers", f"{found.sample_count:,}", border=True)
    st.caption(f"Together: {agreement.grade(found.fleiss_kappa)} (Landis and Koch).")
    st.subheader("Pairs of reviewers")
    if found.pairs:
        st.dataframe(agreement.rows(found), hide_index=True, alt="Agreement of each pair of reviewers")
    else:
        st.info(
            "No two reviewers have judged the same sample yet. Ask for several opinions under Settings, Policy.",
            icon=":material/group:",
        )


def _disputed() -> None:
    st.subheader("Disagreements")
    found = hub().reviewing.disagreements(limit=DISAGREEMENTS_ASKED)
    if not found:
        st.success("Reviewers disagree on no open sample.", icon=":material/task_alt:")
        return
    st.caption("Oldest first. An adjudicator or another reviewer decides them, as the policy says.")
    for sample in one_page(found, DISAGREEMENTS_PER_PAGE, key="disagreements-page"):
        _sample(sample)


def _sample(sample: SampleView) -> None:
    given = hub().reviewing.given(sample.sample_id, "")
    with (
        st.container(border=True, key=f"dispute-{sample.sample_id}"),
        st.container(horizontal=True, vertical_alignment="center"),
    ):
        picture = thumbnail(sample.sample_id) if sample.has_image else None
        if picture is not None:
            st.image(picture, output_format="PNG", alt=f"predicted {sample.predicted_label}")
        st.markdown(
            f"{agreement.opinions(given)}  \n:gray[model says {words.plain(sample.predicted_label)} · "
            f"{words.plain(sample.device_id)} · input {sample.source_index:,}]",
            width="stretch",
        )
        review.sample_link(sample)
