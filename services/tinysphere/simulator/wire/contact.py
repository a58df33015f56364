"""What a device says and asks once an interval: that it lives, its urgent events, and what waits for it."""

from datetime import timedelta

from tinymlops.v1 import device_service_pb2, drift_service_pb2, feedback_pb2, feedback_service_pb2
from tinysphere.simulator.script.chance import chance
from tinysphere.simulator.script.device import Device
from tinysphere.simulator.script.scenario import Scenario
from tinysphere.simulator.wire.caller import Caller
from tinysphere.simulator.wire.failures import CallError
from tinysphere.simulator.wire.methods import (
    ACKNOWLEDGE_FEEDBACK,
    FETCH_FEEDBACK,
    HEARTBEAT,
    REGISTER,
    REPORT_DRIFT_EVENTS,
)

FEEDBACK_PAGE = 100
_ASK_ANYWAY = 10  # heartbeats after which a device asks for feedback without being told
_JITTER = 0.1
_RETRY_S = 2.0
_LEAST_INTERVAL_S = 0.01


class Contact:
    """The calls of one device that are small.

    Attributes:
        is_registered: Whether the server knows the device, as far as that knows.
        update_mark: Highest mark of rollouts that the server told.
    """

    def __init__(self, device: Device, caller: Caller, scenario: Scenario) -> None:
        self.is_registered = False
        self.update_mark = 0
        self._device = device
        self._caller = caller
        self._traffic = scenario.traffic
        self._round = 0

    async def once(self) -> float:
        """One round of calls; returns how long to wait for the next, simulated seconds."""
        self._round += 1
        try:
            if not self.is_registered:
                await self._register()
            interval_s = await self._beat()
            await self.tell_urgent()
        except CallError as error:
            if error.reason == "DEVICE_NOT_FOUND":
                self.is_registered = False
            await self._caller.wait_after(error, _RETRY_S)
            return 0.0
        return interval_s * (
            1 + _JITTER * chance(self._device.plan.device_id, "jitter", self._round).random()
        )

    async def tell_urgent(self) -> None:
        """Drift events ahead of their packages."""
        if events := tuple(self._device.urgent):
            request = drift_service_pb2.ReportDriftEventsRequest(drift_events=events)
            await self._caller.call(REPORT_DRIFT_EVENTS, request, self._round)
            self._device.take_told(events)
            self._caller.tally.counts["drift_events_urgent"] += len(events)

    async def learn(self) -> None:
        """Fetches feedback until there is none, applies it, and says what it brought."""
        has_more = True
        while has_more:
            self._round += 1
            reply = await self._caller.call(
                FETCH_FEEDBACK,
                feedback_service_pb2.FetchFeedbackRequest(
                    device_id=self._device.plan.device_id,
                    after_sequence=self._device.feedback_sequence,
                    page_size=FEEDBACK_PAGE,
                ),
                self._round,
            )
            if reply.items:
                await self._answer(list(reply.items))
            has_more = reply.has_more

    async def _register(self) -> None:
        request = device_service_pb2.RegisterDeviceRequest(device=self._device.registration())
        await self._caller.call(REGISTER, request, self._round)
        self.is_registered = True

    async def _beat(self) -> float:
        request = self._device.heartbeat(self._caller.pace.now_s())
        request.counters.link_failure_count = self._caller.failure_count
        reply = await self._caller.call(HEARTBEAT, request, request.boot_id, request.sequence)
        self._caller.tally.counts["heartbeats"] += 1
        self.update_mark = max(self.update_mark, reply.waiting_work.update_mark)
        is_waiting = reply.waiting_work.feedback_mark > self._device.feedback_sequence
        if is_waiting or self._round % _ASK_ANYWAY == 0:
            await self.learn()
        told_s = reply.heartbeat_interval.ToTimedelta() / timedelta(seconds=1)
        return max(self._traffic.heartbeat_every_s or told_s, _LEAST_INTERVAL_S)

    async def _answer(self, items: list[feedback_pb2.FeedbackItem]) -> None:
        device, now_s = self._device, self._caller.pace.now_s()
        request = feedback_service_pb2.AcknowledgeFeedbackRequest(
            device_id=device.plan.device_id, acknowledgements=device.learn(items, now_s)
        )
        self._caller.tally.counts["feedback_fetched"] += len(items)
        await self._caller.call(ACKNOWLEDGE_FEEDBACK, request, self._round, witness=self._witness)
        device.take_acknowledged(items, now_s)

    def _witness(self, reply: feedback_service_pb2.AcknowledgeFeedbackResponse) -> None:
        answered = self._device.ledger.answered_ids
        for item in reply.items:
            name = feedback_pb2.FeedbackOutcome.Name(item.outcome).removeprefix("FEEDBACK_OUTCOME_").lower()
            self._caller.tally.counts[f"feedback_{name}"] += item.feedback_id not in answered
            answered.add(item.feedback_id)
