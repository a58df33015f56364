"""How the device is doing: written by the inference thread, read by heartbeats and metrics."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from tinylcm.adapters.sources.tally import SourceTally
from tinylcm.daemon.engine import Engine
from tinylcm.daemon.latencies import Latencies
from tinylcm.daemon.machine import resident_bytes
from tinylcm.ports import OutboxTotals
from tinylcm.records import ModelReference
from tinylcm.sync.local import DeviceReport
from tinylcm.sync.packing import Metric


@dataclass(slots=True)
class Counters:
    """Counts of this boot; each only grows."""

    predictions: int = 0
    drift_events: int = 0
    adaptations: int = 0
    refused_adaptations: int = 0
    rolled_back_adaptations: int = 0
    refused_frames: int = 0
    lost_lines: int = 0


class Vitals:
    """Counters, the state of the moment, and the latencies of the last frames.

    Attributes:
        engine: What runs now; None without a model.
        longest_hold_s: Longest time the inference thread was kept from frames since the metrics were last taken.
    """

    def __init__(self) -> None:
        self.counters = Counters()
        self.source = SourceTally()
        self.engine: Engine | None = None
        self.longest_hold_s = 0.0
        self.latencies = Latencies()
        self._closed_count = 0

    @property
    def running_model(self) -> ModelReference | None:
        """Which model runs now."""
        engine = self.engine
        return None if engine is None else engine.model

    @property
    def drifting(self) -> bool:
        """Whether an alarm stands."""
        engine = self.engine
        return engine is not None and engine.pipeline.monitor.drifting

    @property
    def quarantine_count(self) -> int:
        """Samples in quarantine."""
        engine = self.engine
        return 0 if engine is None else len(engine.quarantine)

    def hold(self, seconds: float) -> None:
        """Something other than a frame held up the inference thread: a checkpoint that began, or learning."""
        self.longest_hold_s = max(self.longest_hold_s, seconds)

    def report(self) -> DeviceReport:
        """Returns what a heartbeat says."""
        return DeviceReport(
            running_model=self.running_model,
            prediction_count=self.counters.predictions,
            drift_event_count=self.counters.drift_events,
            adaptation_count=self.counters.adaptations,
            drifting=self.drifting,
            quarantine_count=self.quarantine_count,
            latency_ms=self.latencies.mean_ms(),
            memory_bytes=resident_bytes(),
        )

    def close_minute(
        self,
        now: datetime,
        outbox: OutboxTotals,
        *,
        period_s: float = 60.0,
        others: Mapping[str, float] = MappingProxyType({}),
    ) -> list[Metric]:
        """Returns the metrics of the minute that ends now, and begins another.

        Args:
            now: Aware UTC.
            outbox: What waits to be sent.
            period_s: How long the minute was, see the setting ``metrics.every_s``.
            others: Figures that others measured.
        """
        new_count = self.counters.predictions - self._closed_count
        self._closed_count = self.counters.predictions
        values: dict[str, float] = {
            "prediction_count": self.counters.predictions,
            "drift_event_count": self.counters.drift_events,
            "adaptation_count": self.counters.adaptations,
            "refused_adaptation_count": self.counters.refused_adaptations,
            "rolled_back_adaptation_count": self.counters.rolled_back_adaptations,
            "refused_frame_count": self.counters.refused_frames,
            "prediction_log.lost_count": self.counters.lost_lines,
            "dropped_frame_count": self.source.dropped_frames,
            "missed_frame_count": self.source.missed_frames,
            "malformed_input_count": self.source.malformed_inputs,
            "source_outage_count": self.source.outages,
            "quarantine_count": self.quarantine_count,
            "drifting": float(self.drifting),
            "predictions_per_second": new_count / period_s,
            "longest_hold_ms": self.longest_hold_s * 1000,
            "outbox.package_count": outbox.package_count,
            "outbox.size_bytes": outbox.size_bytes,
            "outbox.evicted_count": outbox.evicted_count,
        }
        values |= {**self.latencies.empty(), **others}
        self.longest_hold_s = 0.0
        return [
            Metric(name=name, measure_time=now, value=float(value)) for name, value in sorted(values.items())
        ]
