"""What a transformer works on, and where it may put things."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tinysphere.domain.packages import ManifestEntry, Package, PackageDescriptor, PackageStep
from tinysphere.ingestion.archive.member import Member
from tinysphere.ingestion.convert.records import AdaptationMessage, DriftEventMessage, SampleMessage
from tinysphere.storage.ports.blobs import Blobs
from tinysphere.storage.ports.packages import FileStore
from tinysphere.storage.ports.telemetry import TelemetrySink

MAX_CALL_BYTES = 3 * 1024 * 1024  # the service takes 4 MiB; framing and the last record's tail fit in between


class EvidenceSink(Protocol):
    """The drift service. All or none of a call is taken; repeating it changes nothing.

    Raises UnavailableError when it is away, and InvalidRequestError when it refuses.
    """

    def report_drift_events(self, events: Sequence[DriftEventMessage]) -> None:
        """Report 1 to 100 events."""

    def report_samples(self, samples: Sequence[SampleMessage]) -> None:
        """Report 1 to 500 samples of together less than 4 MiB."""

    def report_adaptations(self, adaptations: Sequence[AdaptationMessage]) -> None:
        """Report 1 to 100 adaptations of together less than 4 MiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sinks:
    """Where records go."""

    evidence: EvidenceSink
    telemetry: TelemetrySink
    files: FileStore
    blobs: Blobs


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """All entries of one kind of one package.

    Attributes:
        package: Where they come from.
        receive_time: When its first byte was announced, by the server's clock.
        taken_count: How many of its records, counted from the first, earlier tries took over for good.
        files: Each entry and its bytes, read once and in order.
        keep_alive: To be called between pieces of work; raises when the work must end.
    """

    package: PackageDescriptor
    receive_time: datetime
    taken_count: int
    files: Iterator[tuple[ManifestEntry, Member]]
    keep_alive: Callable[[], None]

    @classmethod
    def of(
        cls,
        package: Package,
        step: PackageStep,
        files: Iterable[tuple[ManifestEntry, Member]],
        keep_alive: Callable[[], None],
    ) -> "Step":
        """A step of a package, of whose files it is given all."""
        return cls(
            package=package.descriptor,
            receive_time=package.receive_time,
            taken_count=step.record_count,
            files=(pair for pair in files if pair[0].kind is step.kind),
            keep_alive=keep_alive,
        )


# Takes a step over, again and again to the same effect; returns the number of its records. Raises
# UnavailableError when it should be tried later, any other TinySphereError when it failed.
Transformer = Callable[[Step, Sinks], int]
