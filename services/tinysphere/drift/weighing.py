"""What verdicts change, one taken after the other as if each came alone. Pure: nothing is stored here."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from tinysphere.domain.drift import Decision, DriftEvent, DriftEventState, Sample, Verdict
from tinysphere.domain.review import ReviewSettings
from tinysphere.drift.policy import Outcome, decide, opinions, standing
from tinysphere.errors import PreconditionError


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A verdict that was taken, and the one of the same reviewer that stood until then."""

    verdict: Verdict
    before: Verdict | None


class Weighing:
    """Weighs verdicts on samples.

    Args:
        settings: The policy.
        samples: The samples concerned, by id.
        events: Their events, by id; an event may not be known yet.
        earlier: Verdicts on these samples so far, in the order they were given.
        names: Labels by the names that stand for them, as far as verdicts and predictions name any.

    Attributes:
        samples: As the verdicts taken leave them.
        undone: Who took back a judgement, by drift event id.
    """

    def __init__(
        self,
        settings: ReviewSettings,
        samples: Mapping[str, Sample],
        events: Mapping[str, DriftEvent],
        earlier: Mapping[str, Sequence[Verdict]],
        names: Mapping[str, str],
    ) -> None:
        self._settings = settings
        self._names = names
        self._given = {sample_id: list(earlier.get(sample_id, ())) for sample_id in samples}
        self._closed = {key for key, event in events.items() if event.state is DriftEventState.RESOLVED}
        self.samples = dict(samples)
        self.undone: dict[str, str] = {}

    def take_all(self, verdicts: Iterable[Verdict]) -> Sequence[Said]:
        """Takes verdicts in order.

        Raises:
            PreconditionError: DRIFT_EVENT_CLOSED, SAMPLE_JUDGED or NOTHING_TO_WITHDRAW.
        """
        return [self._take(verdict) for verdict in verdicts]

    def _take(self, verdict: Verdict) -> Said:
        sample = self.samples[verdict.sample_id]
        given = self._given[verdict.sample_id]
        before = standing(given).get(verdict.reviewer)
        if verdict.decision is not Decision.WITHDRAWN:
            self._refuse_closed(sample)
            _refuse_judged(sample)
        elif before is None:
            raise _nothing_to_withdraw(verdict)
        given.append(verdict)
        if sample.judgement is None or (before is not None and before.decision.judges):
            self._judge(sample, given, verdict.reviewer)
        return Said(verdict=verdict, before=before)

    def _judge(self, sample: Sample, given: Sequence[Verdict], reviewer: str) -> None:
        outcome = decide(self._settings, opinions(sample, given, self._names))
        self.samples[sample.sample_id] = _with(outcome, sample, given)
        undone = sample.judgement is not None and outcome.judgement != sample.judgement
        if undone and sample.drift_event_id:
            self._closed.discard(sample.drift_event_id)
            self.undone.setdefault(sample.drift_event_id, reviewer)

    def _refuse_closed(self, sample: Sample) -> None:
        if sample.drift_event_id in self._closed:
            raise PreconditionError(
                "DRIFT_EVENT_CLOSED",
                f"drift event {sample.drift_event_id} of sample {sample.sample_id} is resolved; reopen it first",
                metadata={"drift_event_id": sample.drift_event_id, "sample_id": sample.sample_id},
            )


def _with(outcome: Outcome, sample: Sample, given: Sequence[Verdict]) -> Sample:
    """A disagreement is as old as the verdict that began it."""
    since = (sample.disagree_time or given[-1].submit_time) if outcome.disagrees else None
    return replace(sample, judgement=outcome.judgement, disagree_time=since)


def _refuse_judged(sample: Sample) -> None:
    if sample.judgement is not None:
        raise PreconditionError(
            "SAMPLE_JUDGED",
            f"sample {sample.sample_id} is judged already; read it again",
            metadata={"sample_id": sample.sample_id},
        )


def _nothing_to_withdraw(verdict: Verdict) -> PreconditionError:
    return PreconditionError(
        "NOTHING_TO_WITHDRAW",
        f"{verdict.reviewer} has no verdict on sample {verdict.sample_id} that counts",
        metadata={"sample_id": verdict.sample_id},
    )
