"""What a step back to an older snapshot takes back: adaptations that stood until then are ROLLED_BACK from now on.

Their records go into the snapshot that makes the step: into its lineage, and, until they are in an outbox, beside it as
untold. So a power cut between the step and the next checkpoint loses none.
"""

from collections.abc import Mapping
from datetime import datetime

from tinylcm.pipeline.lineage import moved_on, pack_adaptation, unpack_adaptation
from tinylcm.ports import Json
from tinylcm.records import Adaptation, AdaptationState

UNTOLD = "untold_adaptations"
_STANDING = (AdaptationState.COMMITTED, AdaptationState.CONFIRMED)


def taken_back(left: Json, taken: Json, *, decide_time: datetime, reason: str) -> list[Adaptation]:
    """Returns what stands in the pipeline's state that is left and not in the one that is taken up, ROLLED_BACK."""
    kept = _standing(taken)
    return [
        moved_on(adaptation, AdaptationState.ROLLED_BACK, decide_time, reason)
        for adaptation_id, adaptation in _standing(left).items()
        if adaptation_id not in kept
    ]


def with_records(pipeline: Json, adaptations: list[Adaptation]) -> Json:
    """Returns a pipeline's state whose lineage ends with ``adaptations``."""
    records = [*pipeline["lineage"]["records"], *map(pack_adaptation, adaptations)]
    return {**pipeline, "lineage": {**pipeline["lineage"], "records": records}}


def untold(meta: Json) -> list[Adaptation]:
    """Returns what a snapshot's meta says must still be told; raises StateError when it is damaged."""
    return [unpack_adaptation(facts) for facts in meta.get(UNTOLD, [])]


def _standing(pipeline: Json) -> Mapping[str, Adaptation]:
    adaptations = map(unpack_adaptation, pipeline["lineage"]["records"])
    return {one.adaptation_id: one for one in adaptations if one.state in _STANDING}
