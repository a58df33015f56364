"""The plane: open samples as points; a lasso takes some of them in hand, to be judged together."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, cast

import streamlit as st

from tinyboard.client.calls import HubError
from tinyboard.screens import bulk
from tinyboard.screens.bulk import THUMBNAIL_COUNT, Bulk
from tinyboard.screens.common import hub, label_names, remembered
from tinyboard.screens.group import CHOICES_SHOWN
from tinyboard.views import embedding, review, words
from tinyboard.views import group as rules
from tinyboard.views.records import SampleView, VerdictView

POINTS_SHOWN = 1_000
GROUPS_NAMED = 10
VERDICTS_A_CALL = 500
ANSWER = "selection-answer"


def show(drift_event_id: str, reviewer: str) -> None:
    """The oldest open samples, of one event if the address names it."""
    samples = embedding.of_one_space(
        hub().samples(drift_event_id=drift_event_id, state="OPEN", limit=POINTS_SHOWN)
    )
    if told := st.session_state.pop(ANSWER, ""):
        st.info(told)
    if len(samples) < 2:
        st.info("Fewer than two open samples: there is no map to draw.", icon=":material/bubble_chart:")
        return
    selection = _map(samples, drift_event_id)
    found = embedding.caught(selection, samples)
    if not found:
        st.caption("Draw a lasso around points that belong together, or a box; they are listed here.")
        return
    _selected(found, samples, reviewer)


def _map(samples: Sequence[SampleView], drift_event_id: str) -> Mapping[str, Any]:
    st.caption(
        f"{len(samples):,} open samples on the two directions they differ in most. Near points look alike; "
        "judge what hangs together."
    )
    groups = hub().groups.listed(drift_event_id=drift_event_id, open_only=True, limit=GROUPS_NAMED)
    version = embedding.fingerprint(samples)
    figure = remembered("plane", version, lambda: embedding.scatter(samples, rules.names(groups)))
    state = st.plotly_chart(
        figure,
        key=f"plane-{version}",
        on_select="rerun",
        selection_mode=("lasso", "box"),
        alt="Open samples as points in the plane",
    )
    selection: Mapping[str, Any] = cast("Mapping[str, Any]", state).get("selection", {})
    return selection


def _selected(found: Sequence[SampleView], samples: Sequence[SampleView], reviewer: str) -> None:
    known = review.known_labels(samples)
    choices = (*review.label_choices(found), *label_names())
    occasion = uuid.uuid4().hex

    def judge(decision: str, label: str, excluded: Sequence[str]) -> None:
        _judge([one for one in found if one.sample_id not in excluded], reviewer, decision, label, occasion)

    bulk.show(
        Bulk(
            subject=embedding.fingerprint(found),
            shown=found[:THUMBNAIL_COUNT],
            count=len(found),
            choices=tuple(dict.fromkeys(choices))[:CHOICES_SHOWN],
            judge=judge,
            decision_for=lambda label: rules.decision_for(label, known),
        )
    )


def _judge(found: Sequence[SampleView], reviewer: str, decision: str, label: str, occasion: str) -> None:
    verdicts = [
        VerdictView(
            sample_id=one.sample_id,
            reviewer=reviewer,
            decision=decision,
            label=label,
            occasion=occasion,
        )
        for one in found
    ]
    try:
        for first in range(0, len(verdicts), VERDICTS_A_CALL):
            hub().judge(verdicts[first : first + VERDICTS_A_CALL])
    except HubError as error:
        refusals = {
            "SAMPLE_JUDGED": "Somebody judged one of these meanwhile; select again from what is left."
        }
        st.session_state[ANSWER] = refusals.get(error.reason, words.plain(str(error)))
        return
    st.session_state[ANSWER] = f"{len(verdicts):,} verdicts given; their devices are told."
