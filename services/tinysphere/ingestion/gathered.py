"""Sinks that keep what one small package holds, until it is clear that all of it can be taken over."""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any

from tinysphere.domain.packages import LogRecord, MetricPoint, PackageDescriptor
from tinysphere.ingestion.convert.records import AdaptationMessage, DriftEventMessage, SampleMessage
from tinysphere.ingestion.transformers.adaptations import MAX_ADAPTATIONS
from tinysphere.ingestion.transformers.batches import batches
from tinysphere.ingestion.transformers.drift_events import MAX_EVENTS
from tinysphere.ingestion.transformers.samples import MAX_SAMPLES
from tinysphere.ingestion.transformers.step import MAX_CALL_BYTES, EvidenceSink


class Gathered:
    """An `EvidenceSink` and a `TelemetrySink`. Bounded by the size of the package, which is small."""

    def __init__(self) -> None:
        self.events: list[DriftEventMessage] = []
        self.samples: list[SampleMessage] = []
        self.adaptations: list[AdaptationMessage] = []
        self.points: list[MetricPoint] = []
        self.logs: list[LogRecord] = []

    def report_drift_events(self, events: Sequence[DriftEventMessage]) -> None:
        """See `EvidenceSink.report_drift_events`."""
        self.events += events

    def report_samples(self, samples: Sequence[SampleMessage]) -> None:
        """See `EvidenceSink.report_samples`."""
        self.samples += samples

    def report_adaptations(self, adaptations: Sequence[AdaptationMessage]) -> None:
        """See `EvidenceSink.report_adaptations`."""
        self.adaptations += adaptations

    def add_metrics(
        self, package: PackageDescriptor, first_index: int, points: Sequence[MetricPoint]
    ) -> None:
        """See `TelemetrySink.add_metrics`."""
        self.points += points

    def add_logs(self, package: PackageDescriptor, first_index: int, records: Sequence[LogRecord]) -> None:
        """See `TelemetrySink.add_logs`."""
        self.logs += records


def report_all(gathered: Sequence[Gathered], evidence: EvidenceSink, keep_alive: Callable[[], None]) -> None:
    """Report the evidence of several packages in as few calls as it takes; what came before what stays so.

    Args:
        gathered: What each package holds.
        evidence: Where to.
        keep_alive: Called before each call; raises when the work must end.

    Raises:
        InvalidRequestError: something of one of them is refused; others may have been taken.
        UnavailableError: the service is away.
    """
    for kind, report, max_count in (
        ("events", evidence.report_drift_events, MAX_EVENTS),
        ("samples", evidence.report_samples, MAX_SAMPLES),
        ("adaptations", evidence.report_adaptations, MAX_ADAPTATIONS),
    ):
        messages: Iterable[Any] = chain.from_iterable(getattr(one, kind) for one in gathered)
        for batch in batches(
            messages, max_count=max_count, max_bytes=MAX_CALL_BYTES, size_of=lambda one: one.ByteSize()
        ):
            keep_alive()
            report(batch)
