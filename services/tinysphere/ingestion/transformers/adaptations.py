"""ADAPTATIONS: to the drift service."""

from tinysphere.ingestion.convert.records import AdaptationMessage, read_adaptations
from tinysphere.ingestion.transformers.batches import batches
from tinysphere.ingestion.transformers.step import MAX_CALL_BYTES, Sinks, Step

MAX_ADAPTATIONS = 100


def transform_adaptations(step: Step, sinks: Sinks) -> int:
    """Report every adaptation; see `Transformer`."""
    count = 0
    for _, file in step.files:
        adaptations = read_adaptations(file, step.package.device_id)
        for batch in batches(
            adaptations,
            max_count=MAX_ADAPTATIONS,
            max_bytes=MAX_CALL_BYTES,
            size_of=AdaptationMessage.ByteSize,
        ):
            step.keep_alive()
            sinks.evidence.report_adaptations(batch)
            count += len(batch)
    return count
