"""Counts and latencies of a fleet, to be added up over its processes."""

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

_STEP = 1.05  # a bucket ends 5 % above its beginning: so exact are the percentiles
_FLOOR_MS = 0.01


@dataclass(slots=True)
class Latencies:
    """How often which latency was seen, by bucket."""

    buckets: Counter[int] = field(default_factory=Counter)

    def note(self, latency_ms: float) -> None:
        """Takes one more."""
        self.buckets[max(0, math.ceil(math.log(max(latency_ms, _FLOOR_MS) / _FLOOR_MS, _STEP)))] += 1

    @property
    def count(self) -> int:
        return self.buckets.total()

    def percentile_ms(self, share: float) -> float:
        """The latency that ``share`` of all did not exceed, up to 5 % more; 0 without any."""
        left = share * self.count
        for bucket in sorted(self.buckets):
            left -= self.buckets[bucket]
            if left <= 0:
                return float(_FLOOR_MS * _STEP**bucket)
        return 0.0


@dataclass(slots=True)
class Tally:
    """Everything counted so far.

    Attributes:
        counts: By name, e.g. "packages_committed".
        errors: By "<method> <code> <reason>".
        latencies: By method, of the calls that succeeded.
        gauges: How many of something there are at this moment, e.g. "streams_open".
    """

    counts: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    latencies: dict[str, Latencies] = field(default_factory=dict)
    gauges: Counter[str] = field(default_factory=Counter)

    def note_latency(self, method: str, latency_ms: float) -> None:
        """A call succeeded."""
        self.latencies.setdefault(method, Latencies()).note(latency_ms)

    def add(self, other: "Tally") -> None:
        """Takes what another process counted."""
        self.counts.update(other.counts)
        self.errors.update(other.errors)
        self.gauges.update(other.gauges)
        for method, latencies in other.latencies.items():
            self.latencies.setdefault(method, Latencies()).buckets.update(latencies.buckets)

    def to_json(self) -> str:
        """For another process."""
        latencies = {method: dict(one.buckets) for method, one in self.latencies.items()}
        facts = {"counts": self.counts, "errors": self.errors, "gauges": self.gauges, "latencies": latencies}
        return json.dumps(facts)

    @classmethod
    def from_json(cls, text: str) -> "Tally":
        """The inverse of `to_json`."""
        facts = json.loads(text)
        latencies = {method: _latencies(buckets) for method, buckets in facts["latencies"].items()}
        parts = {name: Counter(facts[name]) for name in ("counts", "errors", "gauges")}
        return cls(latencies=latencies, **parts)


def _latencies(buckets: Mapping[str, int]) -> Latencies:
    return Latencies(buckets=Counter({int(bucket): count for bucket, count in buckets.items()}))
