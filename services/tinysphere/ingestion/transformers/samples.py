"""SAMPLES: to the drift service."""

from tinysphere.ingestion.convert.records import SampleMessage, read_samples
from tinysphere.ingestion.transformers.batches import batches
from tinysphere.ingestion.transformers.step import MAX_CALL_BYTES, Sinks, Step

MAX_SAMPLES = 500


def transform_samples(step: Step, sinks: Sinks) -> int:
    """Report every sample; see `Transformer`."""
    count = 0
    for _, file in step.files:
        samples = read_samples(file, step.package.device_id)
        for batch in batches(
            samples, max_count=MAX_SAMPLES, max_bytes=MAX_CALL_BYTES, size_of=SampleMessage.ByteSize
        ):
            step.keep_alive()
            sinks.evidence.report_samples(batch)
            count += len(batch)
    return count
