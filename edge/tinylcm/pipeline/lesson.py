"""From a batch of feedback to the lesson in it: what the device would know, what that was measured to do."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tinylcm.core.adapt.restandardise import Correction
from tinylcm.core.adapt.stream_test import StreamView
from tinylcm.pipeline.adaptive_settings import AdaptiveSettings
from tinylcm.pipeline.feedback import Batch
from tinylcm.pipeline.knowledge import Knowledge, view_stream
from tinylcm.pipeline.trials import Trial, Trials
from tinylcm.records import DriftEvent, Sample


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lesson:
    """What a batch teaches.

    Attributes:
        trial: The best change found and its figures.
        knowledge: What the device would know; None when the classifier stays as it is.
        stream: The drift's window before and after; None without one.
        drift_event_id: The one drift that was judged; empty when there is none, or several.
        description: What was done, for people.
        only_forgets: Whether people only took back what they had said.
    """

    trial: Trial
    knowledge: Knowledge | None
    stream: tuple[StreamView, StreamView] | None
    drift_event_id: str
    description: str
    only_forgets: bool


def learn_from(
    batch: Batch,
    knowledge: Knowledge,
    quarantined: Sequence[Sample],
    settings: AdaptiveSettings,
    *,
    open_event: DriftEvent | None,
    corrections: Sequence[Correction],
) -> Lesson:
    """Tries the usable items of a batch on a copy; ``corrections`` of the sensor are tried as well."""
    knowledge = knowledge.detached()
    trial = Trials(
        knowledge.learned,
        knowledge.judgements,
        quarantined,
        settings,
        added=list(batch.added.values()),
        dropped=batch.dropped,
        corrections=corrections,
    ).best()
    events = {item.drift_event_id for item in batch.usable}
    window = [sample for sample in quarantined if sample.drift_event_id in events - {""}]
    return Lesson(
        trial=trial,
        knowledge=_changed(batch, knowledge, trial, open_event),
        stream=_views(knowledge, trial, window),
        drift_event_id=events.pop() if len(events) == 1 else "",
        description=_describe(batch, knowledge, trial),
        only_forgets=not batch.added,
    )


def _changed(
    batch: Batch, knowledge: Knowledge, trial: Trial, open_event: DriftEvent | None
) -> Knowledge | None:
    if not batch.added and not knowledge.holds(batch.dropped):
        return None
    # Only a drift that people judged may count as the new normal; labels of an earlier one say nothing of it.
    judged = open_event is not None and any(
        sample.drift_event_id == open_event.drift_event_id for sample in batch.added.values()
    )
    since = open_event.alarm.start_index if open_event and judged else knowledge.normal_since
    shadow = trial.shadow
    return replace(knowledge, learned=shadow.learned, judgements=shadow.judgements, normal_since=since)


def _views(
    knowledge: Knowledge, trial: Trial, window: Sequence[Sample]
) -> tuple[StreamView, StreamView] | None:
    """Frames that are not stored afterwards, so that none is its own neighbour."""
    free = [
        one.observation.embedding
        for one in window
        if one.sample_id not in trial.shadow.learned.knn and one.sample_id not in knowledge.learned.knn
    ]
    if not free:
        return None
    old = knowledge.learned
    return view_stream(old, free, old), view_stream(trial.shadow.learned, free, old)


def _describe(batch: Batch, knowledge: Knowledge, trial: Trial) -> str:
    parts = [f"{len(batch.added)} labels from people"] if batch.added else []
    if batch.dropped:
        parts.append(f"{len(batch.dropped)} samples put aside")
    if trial.shadow.propagated_count:
        parts.append(f"{trial.shadow.propagated_count} samples beside them")
    if undone := knowledge.judgements.contradicted(list(batch.added.values())):
        parts.append(f"{len(undone)} guessed groups taken back")
    if trial.shadow.learned.correction is not knowledge.learned.correction:
        parts.append("sensor correction estimated anew")
    return ", ".join(parts)
