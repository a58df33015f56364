"""Every attempt to change the classifier, in the order they were decided: where what a device knows comes from."""

from collections import deque
from dataclasses import replace
from datetime import datetime
from typing import Self

from tinylcm.core.adapt.stream_test import StreamView
from tinylcm.core.adapt.trial import Figures
from tinylcm.pipeline.packing import pack_effect, pack_model, reading, unpack_effect, unpack_model
from tinylcm.ports import Clock, Json
from tinylcm.records import Adaptation, AdaptationEffect, AdaptationKind, AdaptationState

MOST_SAMPLE_IDS = 500


class Lineage:
    """The last adaptations, one record each, in its latest state."""

    def __init__(self, capacity: int) -> None:
        self._records: deque[Adaptation] = deque(maxlen=capacity)

    @property
    def records(self) -> tuple[Adaptation, ...]:
        """The last adaptations, oldest first."""
        return tuple(self._records)

    def keep(self, adaptation: Adaptation) -> Adaptation:
        """Remembers an adaptation in place of its earlier state, and returns it."""
        others = [record for record in self._records if record.adaptation_id != adaptation.adaptation_id]
        self._records.clear()
        self._records.extend((*others, adaptation))
        return adaptation

    def state(self) -> Json:
        """Returns JSON values."""
        return {"records": [pack_adaptation(record) for record in self._records]}

    @classmethod
    def from_state(cls, state: Json, capacity: int) -> Self:
        """Makes the lineage whose `state` this is; raises StateError when it is damaged."""
        lineage = cls(capacity)
        with reading("lineage"):
            lineage._records.extend(unpack_adaptation(facts) for facts in state["records"])
        return lineage


def moved_on(
    adaptation: Adaptation, state: AdaptationState, decide_time: datetime, reason: str = ""
) -> Adaptation:
    """Returns an adaptation in its next state."""
    return replace(adaptation, state=state, decide_time=decide_time, reason=reason)


def effect_of(
    before: Figures,
    after: Figures,
    *,
    stream: tuple[StreamView, StreamView] | None,
    propagated_count: int,
    clock: Clock,
) -> AdaptationEffect:
    """Returns what was measured, under a new id; ``stream`` is the recent stream before and after."""
    return AdaptationEffect(
        adaptation_id=clock.new_id(),
        judged_accuracy_before=before.judged_accuracy,
        judged_accuracy_after=after.judged_accuracy,
        judged_sample_count=len(after.judged),
        reference_accuracy_before=before.reference_accuracy,
        reference_accuracy_after=after.reference_accuracy,
        reference_sample_count=len(after.reference),
        propagated_sample_count=propagated_count,
        commit_time=clock.now(),
        stream_distance_before=stream[0].mean_distance if stream else 0.0,
        stream_distance_after=stream[1].mean_distance if stream else 0.0,
        stream_sample_count=len(stream[1].labels) if stream else 0,
    )


def pack_adaptation(adaptation: Adaptation) -> Json:
    """JSON values of an adaptation."""
    facts = {name: getattr(adaptation, name) for name in Adaptation.__slots__}
    return facts | {
        "model": pack_model(adaptation.model),
        "kind": adaptation.kind.value,
        "state": adaptation.state.value,
        "effect": pack_effect(adaptation.effect) if adaptation.effect else None,
        "sample_ids": list(adaptation.sample_ids),
        "decide_time": adaptation.decide_time.isoformat(),
    }


def unpack_adaptation(facts: Json) -> Adaptation:
    """Returns what `pack_adaptation` was given; raises StateError when it is damaged."""
    with reading("adaptation"):
        return Adaptation(
            **facts
            | {
                "model": unpack_model(facts["model"]),
                "kind": AdaptationKind(facts["kind"]),
                "state": AdaptationState(facts["state"]),
                "effect": unpack_effect(facts["effect"]) if facts["effect"] else None,
                "sample_ids": tuple(map(str, facts["sample_ids"])),
                "decide_time": datetime.fromisoformat(facts["decide_time"]),
            }
        )
