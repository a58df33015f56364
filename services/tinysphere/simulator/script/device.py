"""One simulated device: what it holds durably, what it would lose with its power, and what it tells.

Pure: time is told by the caller, in simulated seconds since the fleet's start. Packages are durable when they are made;
receipts and lessons are durable from the next checkpoint on, and until then a power cut undoes them.
"""

from collections.abc import Sequence
from datetime import datetime

from tinymlops.v1 import device_pb2, device_service_pb2, drift_pb2, feedback_pb2, package_pb2
from tinysphere.simulator.script.chance import make_id
from tinysphere.simulator.script.classes import FEATURE_SPACE
from tinysphere.simulator.script.learning import Lesson, study
from tinysphere.simulator.script.ledger import Ledger
from tinysphere.simulator.script.packing import Package, to_timestamp
from tinysphere.simulator.script.plan import Happening, Moment, Plan
from tinysphere.simulator.script.recorder import Recorder
from tinysphere.simulator.script.scenario import Scenario

_SITES = 10
_MEMORY_BYTES = 75 << 20
_LATENCY_MS = 2.5


class Device:
    """See the module.

    Attributes:
        plan: What happens to it.
        ledger: What really happened.
        counters: Of this boot.
        running_model: What answers predictions.
        urgent: Events to be told ahead of their packages.
        is_on: Whether it has power.
    """

    def __init__(self, plan: Plan, scenario: Scenario) -> None:
        self.plan = plan
        self.ledger = Ledger()
        self.running_model = device_pb2.ModelReference(model_name="simulated", feature_space=FEATURE_SPACE)
        self.urgent: list[drift_pb2.DriftEvent] = []
        self._scenario = scenario
        self._recorder = Recorder(plan, scenario, self.ledger)
        self._outbox: dict[str, Package] = {}
        self._receipt_times_s: dict[str, float] = {}
        self._lessons: list[Lesson] = []
        self._acknowledged: list[tuple[float, int]] = []  # when, and up to which sequence
        self._boot_count = 0
        self._boot(plan.join_s)

    def live(self, moment: Moment) -> None:
        """A moment of the plan has come."""
        at_s, happening = moment.at_s, moment.happening
        if happening in (Happening.DRIFT_BEGINS, Happening.DRIFT_ENDS):
            self._recorder.is_shifted = happening is Happening.DRIFT_BEGINS
        elif happening is Happening.POWER_LOST and self.is_on:
            self._lose_power(at_s)
        elif happening is Happening.POWER_BACK and not self.is_on:
            self._boot(at_s)
        if self.is_on:  # a drift that begins or ends while it is off is noticed later
            self._notice(at_s)
            if happening is Happening.REPORT:
                self._put(self._recorder.report(self.now(at_s), self._evidence_model))

    def now(self, at_s: float) -> datetime:
        """What its clock shows."""
        return self.plan.clock.moment(at_s, boot_s=self._boot_s)

    @property
    def boot_count(self) -> int:
        """How often it was started."""
        return self._boot_count

    @property
    def waiting(self) -> list[Package]:
        """Packages without a receipt, as far as the device knows; evidence first, then as they were made."""
        packages = [one for key, one in self._outbox.items() if key not in self._receipt_times_s]
        return sorted(
            packages, key=lambda package: package_pb2.ENTRY_KIND_SAMPLES not in package.record_counts
        )

    def take_receipt(self, receipt: package_pb2.Package, at_s: float) -> None:
        """The server holds a package."""
        package_id = receipt.descriptor.package_id
        if package_id in self._outbox and package_id not in self._receipt_times_s:
            self._receipt_times_s[package_id] = at_s
            self.counters.package_count += 1
        self._forget_delivered(self._checkpoint_s(at_s))

    def take_told(self, events: Sequence[drift_pb2.DriftEvent]) -> None:
        """The server knows of these events."""
        self.urgent = [event for event in self.urgent if event not in events]

    def registration(self) -> device_pb2.Device:
        """Who it is."""
        plan = self.plan
        return device_pb2.Device(
            device_id=plan.device_id,
            display_name=f"Simulated device {plan.index}",
            platform=device_pb2.Platform(
                machine="aarch64",
                operating_system="simulated",
                tinylcm_version="simulator",
                memory_bytes=512 << 20,
            ),
            labels={"simulated": str(plan.seed), "site": f"site-{plan.index % _SITES}"},
            mode=device_pb2.MODE_VALIDATED_LEARNING,
        )

    def heartbeat(self, at_s: float) -> device_service_pb2.HeartbeatRequest:
        """The next heartbeat of this boot."""
        self._sequence += 1
        rate = self._scenario.traffic.predictions_per_s
        self.counters.prediction_count = int(max(0.0, at_s - self._boot_s) * rate)
        waiting = self.waiting
        status = device_pb2.DeviceStatus(
            running_model=self.running_model,
            drifting=self._recorder.is_drifting,
            outbox_count=len(waiting),
            outbox_bytes=sum(package.size_bytes for package in waiting),
            latency_ms=_LATENCY_MS,
            memory_bytes=_MEMORY_BYTES,
        )
        return device_service_pb2.HeartbeatRequest(
            device_id=self.plan.device_id,
            boot_id=self._boot_id,
            sequence=self._sequence,
            device_time=to_timestamp(self.now(at_s)),
            counters=self.counters,
            status=status,
        )

    @property
    def feedback_sequence(self) -> int:
        """Highest item acknowledged, as far as the device knows; where its next question begins."""
        return max((sequence for _, sequence in self._acknowledged), default=0)

    def learn(
        self, items: Sequence[feedback_pb2.FeedbackItem], at_s: float
    ) -> Sequence[feedback_pb2.FeedbackAcknowledgement]:
        """Applies feedback and says what it brought."""
        answer = study(items, self._lessons, at_s=at_s, moment=self.now(at_s))
        self._lessons += answer.lessons
        self.counters.adaptation_count += bool(answer.lessons)
        return answer.acknowledgements

    def take_acknowledged(self, items: Sequence[feedback_pb2.FeedbackItem], at_s: float) -> None:
        """The server has the answers."""
        self._acknowledged.append((at_s, max(item.sequence for item in items)))

    def _boot(self, at_s: float) -> None:
        self.is_on = True
        self._boot_s = at_s
        self._boot_count += 1
        names = (self.plan.seed, self.plan.index, "boot", self._boot_count)
        self._boot_id = make_id(self.now(at_s), *names)
        self._sequence = 0
        self.counters = device_pb2.DeviceCounters()

    def _lose_power(self, at_s: float) -> None:
        """Back to the last durable point."""
        self.is_on = False
        durable_s = self._checkpoint_s(at_s)
        self._forget_delivered(durable_s)
        self._receipt_times_s.clear()
        self._lessons = [lesson for lesson in self._lessons if lesson.at_s <= durable_s]
        self._acknowledged = [pair for pair in self._acknowledged if pair[0] <= durable_s]
        self.urgent = []

    def _checkpoint_s(self, at_s: float) -> float:
        """When the last checkpoint was made: one follows the other from the boot on."""
        every_s = self._scenario.power.checkpoint_every_s
        return self._boot_s + (at_s - self._boot_s) // every_s * every_s

    def _forget_delivered(self, durable_s: float) -> None:
        delivered = [key for key, received_s in self._receipt_times_s.items() if received_s <= durable_s]
        for package_id in delivered:
            del self._outbox[package_id], self._receipt_times_s[package_id]

    @property
    def _evidence_model(self) -> device_pb2.ModelReference:
        """Whatever bundle it runs, what it simulates to see lives in a space of its own."""
        model = device_pb2.ModelReference()
        model.CopyFrom(self.running_model)
        model.feature_space = FEATURE_SPACE
        return model

    def _notice(self, at_s: float) -> None:
        for package in self._recorder.notice(self.now(at_s), self._evidence_model):
            self._put(package)
            if self._recorder.is_drifting and self._recorder.event is not None:
                self.counters.drift_event_count += 1
                self.urgent += [self._recorder.event] if self._recorder.is_urgent else []

    def _put(self, package: Package) -> None:
        self._outbox[package.package_id] = package
