"""A reviewer who knows every class: judges samples that the fleet's devices sent."""

from collections.abc import Callable, Collection

import numpy as np

from tinymlops.v1 import drift_pb2, drift_service_pb2
from tinysphere.simulator.script.chance import chance, make_id
from tinysphere.simulator.script.classes import KNOWN, true_label
from tinysphere.simulator.script.scenario import Review
from tinysphere.simulator.tally import Tally
from tinysphere.simulator.wire.channels import Channels
from tinysphere.simulator.wire.failures import CallError
from tinysphere.simulator.wire.listing import ask, read_all
from tinysphere.simulator.wire.methods import LIST_SAMPLES, SUBMIT_VERDICTS
from tinysphere.simulator.wire.pace import Pace

_NAME = "simulated reviewer"
_BATCH = 100


class Reviewer:
    """Judges a share of the samples, each one once.

    Args:
        event_ids: The drift events of the devices it looks after; all others are left alone.
    """

    def __init__(
        self,
        channels: Channels,
        review: Review,
        event_ids: Callable[[], Collection[str]],
        *,
        pace: Pace,
        tally: Tally,
    ) -> None:
        self._channels = channels
        self._review = review
        self._event_ids = event_ids
        self._pace = pace
        self._tally = tally
        self._seen: set[str] = set()

    async def work(self, until_s: float) -> None:
        """Looks again and again until a simulated moment."""
        while self._pace.now_s() < until_s:
            await self._pace.sleep(self._review.every_s)
            await self.look()

    async def look(self) -> None:
        """Judges what is new; what cannot be judged now is left."""
        for drift_event_id in self._event_ids():
            try:
                await self._judge(drift_event_id)
            except CallError as error:  # resolved meanwhile, or the server is away
                self._tally.errors[f"review {error.code} {error.reason}".strip()] += 1

    async def _judge(self, drift_event_id: str) -> None:
        request = drift_service_pb2.ListSamplesRequest(
            drift_event_id=drift_event_id, state=drift_pb2.SAMPLE_STATE_OPEN
        )
        verdicts = []
        async for sample in read_all(self._channels, LIST_SAMPLES, request, "samples"):
            if sample.sample_id not in self._seen:
                self._seen.add(sample.sample_id)
                if chance("judged", sample.sample_id).random() < self._review.judged_share:
                    verdicts.append(self._verdict(sample))
        for start in range(0, len(verdicts), _BATCH):
            batch = verdicts[start : start + _BATCH]
            await ask(
                self._channels, SUBMIT_VERDICTS, drift_service_pb2.SubmitVerdictsRequest(verdicts=batch)
            )
            self._tally.counts["verdicts"] += len(batch)

    def _verdict(self, sample: drift_pb2.Sample) -> drift_pb2.Verdict:
        label = true_label(np.frombuffer(sample.embedding.values, "<f4").astype(np.float32))
        decision = drift_pb2.DECISION_CONFIRMED_LABEL if label in KNOWN else drift_pb2.DECISION_NEW_LABEL
        if chance("unusable", sample.sample_id).random() < self._review.unusable_share:
            decision, label = drift_pb2.DECISION_UNUSABLE, ""
        return drift_pb2.Verdict(
            verdict_id=make_id(sample.capture_time.ToDatetime(), "verdict", sample.sample_id),
            sample_id=sample.sample_id,
            reviewer=_NAME,
            decision=decision,
            label=label,
        )
