"""What one simulated device notices and packs. All of it is durable the moment it is packed."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from google.protobuf.message import Message

from tinymlops.v1 import device_pb2, drift_pb2, package_pb2
from tinysphere.simulator.script import records
from tinysphere.simulator.script.chance import chance, draw, make_id
from tinysphere.simulator.script.ledger import Ledger
from tinysphere.simulator.script.packing import Kind, Package, pack
from tinysphere.simulator.script.plan import Plan
from tinysphere.simulator.script.scenario import Scenario


class Recorder:
    """Makes the packages of one device.

    Attributes:
        event: Its drift event, once it noticed one.
        is_shifted: Whether what the device sees is drifted, noticed or not.
    """

    def __init__(self, plan: Plan, scenario: Scenario, ledger: Ledger) -> None:
        self.event: drift_pb2.DriftEvent | None = None
        self.is_shifted = False
        self._plan = plan
        self._scenario = scenario
        self._ledger = ledger
        self._package_count = 0

    @property
    def is_drifting(self) -> bool:
        """Whether a drift was noticed whose end was not."""
        return self.event is not None and not self.event.HasField("recovery_time")

    @property
    def is_urgent(self) -> bool:
        """Whether the event is to be told ahead of its package."""
        return chance(*self._names, "urgent").random() < self._scenario.drift.urgent_share

    def notice(self, moment: datetime, model: device_pb2.ModelReference) -> Iterator[Package]:
        """The package of a drift that began or ended, if one did since the last look."""
        if self.is_shifted and self.event is None:
            shift_sigma, novel_share = self._plan.shift_sigma, self._scenario.drift.novel_share
            self.event = records.drift_event(
                self._origin(moment, model), shift_sigma=shift_sigma, novel_share=novel_share
            )
            yield self._pack(moment, model, events=[self.event], samples=self._evidence(moment, model))
        elif not self.is_shifted and self.event is not None and self.is_drifting:
            self.event = records.recovered(self.event, moment)
            yield self._pack(moment, model, events=[self.event])

    def report(self, moment: datetime, model: device_pb2.ModelReference) -> Package:
        """A package of metrics and logs, and of evidence during a drift."""
        traffic, origin = self._scenario.traffic, self._origin(moment, model)
        generator = chance(*self._names, "state", self._package_count)
        return self._pack(
            moment,
            model,
            samples=self._evidence(moment, model) if self.is_drifting else [],
            metrics=records.metric_points(origin, traffic.metric_count),
            logs=records.log_records(origin, traffic.log_count),
            state=generator.randbytes(int(draw(generator, traffic.state_bytes))),
        )

    def _evidence(self, moment: datetime, model: device_pb2.ModelReference) -> list[drift_pb2.Sample]:
        assert self.event is not None, "evidence belongs to an event"
        drift = self._scenario.drift
        return records.samples(
            self._origin(moment, model),
            self.event,
            count=drift.sample_count,
            novel_share=drift.novel_share,
            image_bytes=drift.image_bytes,
        )

    def _pack(
        self,
        moment: datetime,
        model: device_pb2.ModelReference,
        *,
        events: Sequence[drift_pb2.DriftEvent] = (),
        samples: Sequence[drift_pb2.Sample] = (),
        metrics: Sequence[package_pb2.MetricPoint] = (),
        logs: Sequence[package_pb2.LogRecord] = (),
        state: bytes = b"",
    ) -> Package:
        found: dict[Kind, Sequence[Message]] = {
            package_pb2.ENTRY_KIND_DRIFT_EVENTS: events,
            package_pb2.ENTRY_KIND_SAMPLES: samples,
            package_pb2.ENTRY_KIND_METRICS: metrics,
            package_pb2.ENTRY_KIND_LOGS: logs,
        }
        package_id = make_id(moment, *self._names, "package", self._package_count)
        package = pack(package_id, self._plan.device_id, moment, model=model, records=found, state=state)
        self._package_count += 1
        self._ledger.add(package, samples, events)
        return package

    def _origin(self, moment: datetime, model: device_pb2.ModelReference) -> records.Origin:
        return records.Origin(
            names=self._names,
            device_id=self._plan.device_id,
            ordinal=self._package_count,
            moment=moment,
            model=model,
        )

    @property
    def _names(self) -> tuple[object, ...]:
        return self._plan.seed, self._plan.index
