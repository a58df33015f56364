"""Models and rollouts: which versions there are, and how they come to the devices."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from tinyboard.client.calls import HubError
from tinyboard.screens.common import hub, one_page, shows_failures
from tinyboard.screens.identity import reviewer
from tinyboard.views import rollouts, words
from tinyboard.views.model_records import RolloutView, VersionView

ROLLOUTS_PER_PAGE = 10
ANSWER = "rollout-answer"
ROLLOUT_ID = "rollout-id"


def page() -> st.Page:
    """Where the screen is found."""
    return st.Page(show, title="Models", icon=":material/rocket_launch:", url_path="models")


@shows_failures
def show() -> None:
    """The page."""
    name = reviewer()
    st.title("Models and rollouts")
    refused, told = st.session_state.pop(ANSWER, (False, ""))
    if told:
        (st.error if refused else st.success)(told)
    models = hub().distribution.models()
    if not models:
        st.info(
            "No model is published yet. Publish a signed bundle as docs/rollouts.md says; it appears here.",
            icon=":material/rocket_launch:",
        )
        return
    versions = _versions(models)
    left, right = st.columns([8, 4], gap="large")
    with left:
        _rollouts(name)
    with right:
        _new_rollout(versions, name)


def _versions(models: Sequence[VersionView]) -> Sequence[VersionView]:
    names = [one.model.name for one in models]
    name = st.selectbox("Model", names, key="model", bind="query-params", width=320)
    versions = hub().distribution.versions(name or names[0])
    st.dataframe(rollouts.version_rows(versions), hide_index=True, alt="Versions, newest first")
    return versions


def _rollouts(operator: str) -> None:
    st.subheader("Rollouts")
    found = hub().distribution.rollouts()
    if not found:
        st.info("No rollout yet. Make one for a version on the right.", icon=":material/rocket_launch:")
    now = datetime.now(UTC)
    for rollout in one_page(found, ROLLOUTS_PER_PAGE, key="rollouts-page"):
        with st.container(border=True, gap="xsmall", key=f"rollout-{rollout.rollout_id}"):
            _rollout(rollout, now, operator)


def _rollout(rollout: RolloutView, now: datetime, operator: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(rollouts.line(rollout, now), width="stretch")
        for verb in rollouts.actions(rollout):
            _action(rollout, verb, operator)
    if rollout.status:
        st.caption(words.plain(rollout.status))
    if rollout.counts:
        st.progress(rollouts.share_done(rollout))
        st.markdown(rollouts.counts(rollout))
    else:
        st.caption("Offered to nobody yet.")
    _details(rollout)


def _details(rollout: RolloutView) -> None:
    kind = st.segmented_control(
        "Details",
        ["Waves", "Devices", "Decisions"],
        key=f"details-{rollout.rollout_id}",
        label_visibility="collapsed",
    )
    offered = hub().distribution
    if kind == "Waves":
        st.dataframe(rollouts.wave_rows(rollout), hide_index=True, alt="Waves of the rollout")
    if kind == "Devices":
        rows = rollouts.deployment_rows(offered.deployments(rollout.rollout_id))
        st.dataframe(rows, hide_index=True, alt="Devices of the rollout")
    if kind == "Decisions":
        rows = rollouts.decision_rows(rollout, offered.decisions(rollout.rollout_id))
        st.dataframe(rows, hide_index=True, alt="What was decided, newest first")


def _action(rollout: RolloutView, verb: str, operator: str) -> None:
    """Asks once more: what it does is told first."""
    with st.popover(verb.capitalize(), type="tertiary"):
        st.write(rollouts.CONSEQUENCES[verb])
        st.button(
            f"{verb.capitalize()} this rollout",
            key=f"{verb}-{rollout.rollout_id}",
            type="primary",
            on_click=_act,
            args=(rollout, verb, operator),
        )


def _act(rollout: RolloutView, verb: str, operator: str) -> None:
    offered = hub().distribution
    acts = {
        "start": offered.start,
        "pause": offered.pause,
        "resume": offered.resume,
        "retry": offered.retry,
        "abort": offered.abort,
    }
    try:
        if verb == "approve":
            offered.approve(rollout.rollout_id, rollouts.next_approval(rollout) or 0, operator=operator)
        else:
            acts[verb](rollout.rollout_id, operator=operator)
    except HubError as error:
        st.session_state[ANSWER] = (True, words.plain(str(error)))


def _new_rollout(versions: Sequence[VersionView], operator: str) -> None:
    st.subheader("New rollout")
    st.session_state.setdefault(ROLLOUT_ID, str(uuid.uuid4()))
    with st.form("new-rollout"):
        version = st.selectbox(
            "Version", [one.model.version for one in versions], key="rollout-version", filter_mode=None
        )
        labels = st.text_input("Devices with labels", key="rollout-labels", placeholder="site=berlin, line=4")
        waves = st.text_input("Waves, in percent", key="rollout-waves", placeholder="1, 10, 100")
        failing = st.slider("Failures that stop a wave, in percent", 0, 100, 10, key="rollout-failing")
        st.caption("No labels: all devices. No waves: all at once. It waits to be started.")
        if not st.form_submit_button("Make a draft", type="primary") or version is None:
            return
    try:
        hub().distribution.create(
            st.session_state[ROLLOUT_ID],
            versions[0].model.name,
            version,
            rollouts.labels_of(labels),
            percents=rollouts.percents_of(waves),
            failure_share=failing / 100,
            operator=operator,
        )
    except (HubError, ValueError) as error:
        st.error(words.plain(str(error)))
        return
    del st.session_state[ROLLOUT_ID]
    st.session_state[ANSWER] = (
        False,
        f"A draft for {words.plain(versions[0].model.name)} v{version} waits to be started.",
    )
    st.rerun()
