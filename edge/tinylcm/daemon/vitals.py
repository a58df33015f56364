"""How the device is doing: written by the inference thread, read by heartbeats and the minute's metrics."""

import os
import threading
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from tinylcm.adapters.sources.tally import SourceTally
from tinylcm.ports import OutboxTotals
from tinylcm.records import ModelReference
from tinylcm.sync.local import DeviceReport
from tinylcm.sync.packing import Metric

_MAX_LATENCIES = 16_384
_PERCENTILES = (50, 95, 99)
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


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
    """Counters, the state of the moment, and the latencies of the last minute."""

    def __init__(self) -> None:
        self.counters = Counters()
        self.source = SourceTally()
        self.running_model: ModelReference | None = None
        self.drifting = False
        self.quarantine_count = 0
        self._lock = threading.Lock()
        self._latencies_ms: list[float] = []
        self._last_mean_ms = 0.0

    def add_latency(self, latency_s: float) -> None:
        """Takes the time of one prediction; beyond 16,384 in a minute they are not kept."""
        if len(self._latencies_ms) < _MAX_LATENCIES:
            self._latencies_ms.append(latency_s * 1000)

    def report(self) -> DeviceReport:
        """Returns what a heartbeat says."""
        return DeviceReport(
            running_model=self.running_model,
            prediction_count=self.counters.predictions,
            drift_event_count=self.counters.drift_events,
            adaptation_count=self.counters.adaptations,
            drifting=self.drifting,
            quarantine_count=self.quarantine_count,
            latency_ms=self._mean_latency_ms(),
            memory_bytes=resident_bytes(),
        )

    def close_minute(self, now: datetime, outbox: OutboxTotals) -> list[Metric]:
        """Returns the metrics of the minute that ends now, and begins another."""
        with self._lock:
            latencies_ms, self._latencies_ms = self._latencies_ms, []
            self._last_mean_ms = float(np.mean(latencies_ms)) if latencies_ms else 0.0
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
            "memory_bytes": resident_bytes(),
            "outbox.package_count": outbox.package_count,
            "outbox.size_bytes": outbox.size_bytes,
            "outbox.evicted_count": outbox.evicted_count,
        }
        if latencies_ms:
            percentiles = np.percentile(latencies_ms, _PERCENTILES)
            values |= {
                f"latency_ms.p{percent}": float(value)
                for percent, value in zip(_PERCENTILES, percentiles, strict=True)
            }
        return [
            Metric(name=name, measure_time=now, value=float(value)) for name, value in sorted(values.items())
        ]

    def _mean_latency_ms(self) -> float:
        with self._lock:
            latencies_ms = self._latencies_ms[:]
        return float(np.mean(latencies_ms)) if latencies_ms else self._last_mean_ms


def resident_bytes() -> int:
    """Returns the resident memory of this process, 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE_BYTES
    except (OSError, ValueError, IndexError):
        return 0
