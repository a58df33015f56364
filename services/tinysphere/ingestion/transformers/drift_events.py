"""DRIFT_EVENTS: to the drift service."""

from tinysphere.ingestion.convert.records import read_drift_events
from tinysphere.ingestion.transformers.batches import batches
from tinysphere.ingestion.transformers.step import Sinks, Step

MAX_EVENTS = 100


def transform_drift_events(step: Step, sinks: Sinks) -> int:
    """Report every event; see `Transformer`."""
    count = 0
    for _, file in step.files:
        for batch in batches(read_drift_events(file, step.package.device_id), max_count=MAX_EVENTS):
            step.keep_alive()
            sinks.evidence.report_drift_events(batch)
            count += len(batch)
    return count
