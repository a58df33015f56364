"""What the transformers of records share: they go in batches, each after a look whether the work must end."""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain, islice
from typing import Protocol, TypeVar

from tinysphere.domain.packages import PackageDescriptor
from tinysphere.domain.telemetry import Place, placing
from tinysphere.ingestion.archive.member import Member
from tinysphere.ingestion.transformers.batches import batches
from tinysphere.ingestion.transformers.step import MAX_CALL_BYTES, EvidenceSink, Sinks, Step, Transformer
from tinysphere.storage.ports.telemetry import TelemetrySink


class Measured(Protocol):
    """A message, as far as batches are concerned."""

    def ByteSize(self) -> int:  # noqa: N802  # protobuf's name
        """How much it is on the wire."""


MessageT = TypeVar("MessageT", bound=Measured)
RecordT = TypeVar("RecordT")


def reporting(
    read: Callable[[Member, str], Iterable[MessageT]],
    report: Callable[[EvidenceSink, Sequence[MessageT]], None],
    *,
    max_count: int,
) -> Transformer:
    """A transformer that reports every record of its files to the drift service.

    Args:
        read: Reads a file of the device of that id.
        report: Reports a batch.
        max_count: Most records that one call takes.
    """

    def transform(step: Step, sinks: Sinks) -> int:
        records = chain.from_iterable(read(file, step.package.device_id) for _, file in step.files)
        count = 0
        for batch in batches(
            records, max_count=max_count, max_bytes=MAX_CALL_BYTES, size_of=lambda record: record.ByteSize()
        ):
            step.keep_alive()
            report(sinks.evidence, batch)
            count += len(batch)
        return count

    return transform


def keeping(
    read: Callable[[Member, Place], Iterable[RecordT]],
    add: Callable[[TelemetrySink, PackageDescriptor, int, Sequence[RecordT]], None],
    *,
    batch_size: int,
) -> Transformer:
    """A transformer that keeps every record which was not taken yet, and counts it with the batch.

    Args:
        read: Reads a file, placing its records in time.
        add: Adds a batch, told how many records came before it.
        batch_size: Most records in one batch.
    """

    def transform(step: Step, sinks: Sinks) -> int:
        place = placing(step.package.create_time, step.receive_time)
        records = chain.from_iterable(read(file, place) for _, file in step.files)
        count = step.taken_count
        for batch in batches(islice(records, count, None), max_count=batch_size):
            step.keep_alive()
            add(sinks.telemetry, step.package, count, batch)
            count += len(batch)
        return count

    return transform
